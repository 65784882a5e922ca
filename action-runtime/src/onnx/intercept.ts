import Module from 'node:module';

/**
 * Makes every `require` of `onnxruntime-node`, by the action or by a library inside it, with or without a copy of its
 * own, give the runtime's module. `import` of a copy goes through the same function, since the package is CommonJS;
 * `import` without a copy finds the package that the workspace provides.
 *
 * `onnxruntime-common` is redirected too, so that its `Tensor` is the one that results are made of.
 */
export function interceptOnnxruntime(modules: { node: string; common: string }): void {
  const loader = Module as unknown as { _resolveFilename: (request: string, ...rest: unknown[]) => string };
  const resolve = loader._resolveFilename.bind(Module);
  loader._resolveFilename = (request, ...rest) => {
    if (request === 'onnxruntime-node') return modules.node;
    if (request === 'onnxruntime-common') return modules.common;
    const file = resolve(request, ...rest);
    return ENTRY.test(file) ? modules.node : file;
  };
}

/** The entry of an installed copy, wherever its package manager put it. */
const ENTRY = /[\\/]node_modules[\\/]onnxruntime-node[\\/]dist[\\/]index\.js$/;
