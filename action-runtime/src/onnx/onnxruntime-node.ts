/**
 * The file that user code gets for `onnxruntime-node`: what `onnxruntime-common` exports, with the runtime's backend
 * behind it. It stays outside of the runtime's bundle, where `import` reads its names, and asks the runtime for the
 * rest. In a thread that user code started itself there is no runtime: the real package registers its own backend.
 */
import { createRequire } from 'node:module';
import { MODULE_SYMBOL, type RuntimeModule } from './module-symbol';

export * from 'onnxruntime-common';

const given = (globalThis as unknown as Record<symbol, (() => RuntimeModule) | undefined>)[MODULE_SYMBOL];
const runtimeModule = given?.() ?? (createRequire(__filename)('onnxruntime-node') as RuntimeModule);

/** Execution providers that this platform's build knows. */
export const listSupportedBackends = runtimeModule.listSupportedBackends;
