import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface InstalledPackage {
  folder: string;
  version: string;
}

/** A package as user code gets it: what it exports is the runtime's, the rest as it is installed. */
export interface OfferedPackage extends InstalledPackage {
  name: string;
  /** File that `require` and `import` of it give; the first request for it loads it, and inference with it. */
  entry: string;
  /** Other files and folders of it that may be asked for by path. */
  subpaths: readonly string[];
}

export interface OnnxruntimePackages {
  node: OfferedPackage;
  common: OfferedPackage;
}

/** The runtime's own packages. */
export function onnxruntimePackages(): OnnxruntimePackages {
  const offered = (name: string, entry: string, subpaths: string[]): OfferedPackage => {
    const installed = packageAround(require.resolve(name), name);
    if (installed === undefined) throw new Error(`${name} is not installed in a node_modules folder`);
    return { name, entry, subpaths, ...installed };
  };
  return {
    node: offered('onnxruntime-node', require.resolve('@tetris/action-runtime/dist/onnx/onnxruntime-node'), [
      'dist',
      'lib',
      'bin',
      'script',
    ]),
    common: offered('onnxruntime-common', require.resolve('onnxruntime-common'), []),
  };
}

/** The package of a name that a file lies in, wherever its package manager put it; undefined where it lies in none. */
export function packageAround(file: string, name: string): InstalledPackage | undefined {
  const inside = path.join(path.sep, 'node_modules', name, path.sep);
  const at = file.lastIndexOf(inside);
  if (at < 0) return undefined;
  const folder = file.slice(0, at + inside.length - 1);
  const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version?: string };
  return { folder, version: version ?? '' };
}

/**
 * Whether a version of onnxruntime's packages is made like ours: 1.17.0 was the first whose backends, tensors and
 * sessions work together in today's way (`createInferenceSessionHandler`).
 */
export function isLike(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 17);
}
