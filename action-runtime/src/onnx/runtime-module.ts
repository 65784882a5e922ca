/**
 * Registers our backend with `onnxruntime-common`, whose sessions and tensors user code gets as `onnxruntime-node`.
 *
 * Nothing of inference is loaded before this file, so an action without models does not pay for it.
 */
import { env, registerBackend } from 'onnxruntime-common';
import { inferenceBackend } from './backend';
import { instanceSettings } from './settings';

interface SupportedBackend {
  name: string;
  bundled: boolean;
}

/** As the native library answers; asking it would load it into the main thread. */
const SUPPORTED: readonly SupportedBackend[] = [
  { name: 'cpu', bundled: true },
  { name: 'webgpu', bundled: true },
  { name: 'cuda', bundled: false },
  { name: 'tensorrt', bundled: false },
];

/** Execution providers that this platform's build knows. */
export function listSupportedBackends(): SupportedBackend[] {
  return SUPPORTED.filter(({ bundled }) => bundled || process.arch === 'x64').map((backend) => ({ ...backend }));
}

const backend = inferenceBackend(instanceSettings());
for (const { name } of SUPPORTED) registerBackend(name, backend, 100);
Object.defineProperty(env.versions, 'node', { value: env.versions.common, enumerable: true });
