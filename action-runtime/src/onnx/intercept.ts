import Module from 'node:module';
import type { OnnxruntimeModules } from '../proxy/workspace';

/** The parts of Node's CommonJS loader that exist to be replaced, though its types leave them out. */
interface Loader {
  _resolveFilename: (request: string, ...rest: unknown[]) => string;
  _load: (request: string, ...rest: unknown[]) => unknown;
  _cache: Record<string, NodeJS.Module | undefined>;
}

/** The entry of an installed copy, wherever its package manager put it. */
const ENTRY = /[\\/]node_modules[\\/]onnxruntime-node[\\/]dist[\\/]index\.js$/;

/**
 * Makes every `require` of `onnxruntime-node`, by the action or by a library inside it, with or without a copy of its
 * own, give the runtime's module; likewise every `import` of a copy, which Node loads as CommonJS by its file name.
 * `import` without a copy finds the package that the workspace provides.
 *
 * `onnxruntime-common` is redirected too, so that its `Tensor` is the one that results are made of.
 *
 * Loader hooks (`module.register`) would do the same for `import`, at the price of one more thread in every instance.
 */
export function interceptOnnxruntime(modules: OnnxruntimeModules): void {
  const loader = Module as unknown as Loader;
  const resolve = loader._resolveFilename.bind(Module);
  const load = loader._load.bind(Module);
  loader._resolveFilename = (request, ...rest) => {
    if (request === 'onnxruntime-node') return modules.node;
    if (request === 'onnxruntime-common') return modules.common;
    const file = resolve(request, ...rest);
    return ENTRY.test(file) ? modules.node : file;
  };
  loader._load = (request, ...rest) => {
    const exported = load(request, ...rest);
    // `import` has made a module for the copy's file and takes what is exported from there.
    const importing = ENTRY.test(request) ? loader._cache[request] : undefined;
    if (importing !== undefined) Object.assign(importing, { exports: exported, loaded: true });
    return exported;
  };
}
