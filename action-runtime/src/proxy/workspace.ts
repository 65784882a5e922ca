import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/**
 * The instance's folder for its action: `<tmp>/tetris-XXXXXX/action`, with a `node_modules` beside it that offers what the
 * runtime brings. Module resolution walks upwards, so the action's own packages win, for `require` and `import` alike.
 */
export interface Workspace {
  /** The folder an archive is unpacked into; it exists and is empty. */
  readonly actionFolder: string;
  /** The folder around it, for files of the runtime. */
  readonly folder: string;
}

/** Files that onnxruntime's packages resolve to. */
export interface OnnxruntimeModules {
  /** The module behind `onnxruntime-node`. */
  node: string;
  /** The module behind `onnxruntime-common`. */
  common: string;
}

/** Makes the folder; it is removed when the process exits in good order. */
export function createWorkspace(onnxruntime: OnnxruntimeModules): Workspace {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'tetris-'));
  const actionFolder = path.join(folder, 'action');
  fs.mkdirSync(actionFolder);
  const modules = path.join(folder, 'node_modules');
  fs.mkdirSync(modules);
  writePackage(modules, 'onnxruntime-node', onnxruntime.node);
  writePackage(modules, 'onnxruntime-common', onnxruntime.common);
  // A derived image may hold another version at `/node_modules`: then that one is the preinstalled one.
  if (!isInstalledAbove(folder, 'openwhisk')) {
    const own = path.dirname(require.resolve('openwhisk/package.json'));
    fs.symlinkSync(own, path.join(modules, 'openwhisk'));
  }
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  return { folder, actionFolder };
}

/** A package of one line, which `import` finds too (what replaces `require` is not asked by `import`). */
function writePackage(modules: string, name: string, target: string): void {
  const folder = path.join(modules, name);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify({ name, main: 'index.js' })}\n`);
  fs.writeFileSync(path.join(folder, 'index.js'), `module.exports = require(${JSON.stringify(target)});\n`);
}

/** Asked of the file system: the module loader would remember that the package was not there. */
function isInstalledAbove(folder: string, name: string): boolean {
  const parent = path.dirname(folder);
  return (
    fs.existsSync(path.join(folder, 'node_modules', name)) || (parent !== folder && isInstalledAbove(parent, name))
  );
}
