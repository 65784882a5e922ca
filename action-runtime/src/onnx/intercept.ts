import Module from 'node:module';
import { notice } from './notice';
import { isLike, type OfferedPackage, type OnnxruntimePackages, packageAround } from './packages';

/** The parts of Node's CommonJS loader that exist to be replaced, though its types leave them out. */
interface Loader {
  _resolveFilename: (request: string, parent?: { filename?: string | null } | null, ...rest: unknown[]) => string;
  _load: (request: string, ...rest: unknown[]) => unknown;
  _cache: Record<string, NodeJS.Module | undefined>;
}

/** The entry of an installed copy, wherever its package manager put it. */
const ENTRY = /[\\/]node_modules[\\/]onnxruntime-node[\\/]dist[\\/]index\.js$/;

/**
 * Makes every `require` of `onnxruntime-node`, by the action or by a library inside it, with or without a copy of its
 * own, give the runtime's module; likewise every `import` of a copy, which Node loads as CommonJS by its file name.
 * `import` without a copy finds the package that the workspace provides. `onnxruntime-common` is redirected too, so
 * that its `Tensor` is the one that results are made of.
 *
 * Copies that the runtime's cannot stand for stay as they are: those of before 1.17, when sessions, tensors and
 * backends were made in another way, and the onnxruntime-common that onnxruntime-web registers itself with.
 *
 * Loader hooks (`module.register`) would do the same for `import`, at the price of one more thread in every instance.
 */
export function interceptOnnxruntime({ node, common }: OnnxruntimePackages): void {
  const loader = Module as unknown as Loader;
  const resolve = loader._resolveFilename.bind(Module);
  const load = loader._load.bind(Module);
  loader._resolveFilename = (request, parent, ...rest) => {
    if (request === 'onnxruntime-node') return standIn(resolvedOrNot(request, parent, ...rest), node);
    if (request === 'onnxruntime-common') {
      const own = resolvedOrNot(request, parent, ...rest);
      const forWeb = packageAround(parent?.filename ?? '', 'onnxruntime-web') !== undefined;
      return own !== undefined && forWeb ? own : standIn(own, common);
    }
    const file = resolve(request, parent, ...rest);
    return ENTRY.test(file) ? standIn(file, node) : file;
  };
  loader._load = (request, ...rest) => {
    const exported = load(request, ...rest);
    // `import` has made a module for the copy's file and takes what is exported from there.
    const importing = ENTRY.test(request) ? loader._cache[request] : undefined;
    if (importing !== undefined) Object.assign(importing, { exports: exported, loaded: true });
    return exported;
  };

  function resolvedOrNot(...request: Parameters<Loader['_resolveFilename']>): string | undefined {
    try {
      return resolve(...request);
    } catch {
      return undefined;
    }
  }
}

/** What is given for the copy that the requester would get: the runtime's, where it can stand for it. */
function standIn(own: string | undefined, { name, version, entry }: OfferedPackage): string {
  const copy = own === undefined ? undefined : packageAround(own, name);
  if (own === undefined || copy === undefined || copy.version === version) return entry;
  if (isLike(copy.version)) {
    notice(`${name} ${copy.version} of the action is replaced by ${version}`);
    return entry;
  }
  notice(`${name} ${copy.version} of the action is used as it is, unshared: ${version} cannot stand in for it`);
  return own;
}
