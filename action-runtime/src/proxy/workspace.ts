import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { OfferedPackage } from '../onnx/packages';

/**
 * The instance's folder for its action: `<tmp>/tetris-XXXXXX/action`, with a `node_modules` beside it that offers what
 * the runtime brings. Module resolution walks upwards, so the action's own packages win, for `require` and `import`
 * alike.
 */
export interface Workspace {
  /** The folder an archive is unpacked into; it exists and is empty. */
  readonly actionFolder: string;
  /** The folder around it, for files of the runtime. */
  readonly folder: string;
}

/** Makes the folder; it is removed when the process exits in good order. */
export function createWorkspace(packages: readonly OfferedPackage[]): Workspace {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'tetris-'));
  const actionFolder = path.join(folder, 'action');
  fs.mkdirSync(actionFolder);
  const modules = path.join(folder, 'node_modules');
  fs.mkdirSync(modules);
  for (const offered of packages) writePackage(path.join(modules, offered.name), offered);
  // A derived image may hold another version at `/node_modules`: then that one is the preinstalled one.
  if (!isInstalledAbove(folder, 'openwhisk')) {
    const own = path.dirname(require.resolve('openwhisk/package.json'));
    fs.symlinkSync(own, path.join(modules, 'openwhisk'));
  }
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  return { folder, actionFolder };
}

/** Its entry is one line, which `import` finds too (what replaces `require` is not asked by `import`). */
function writePackage(at: string, { name, version, folder, entry, subpaths }: OfferedPackage): void {
  fs.mkdirSync(at);
  fs.writeFileSync(path.join(at, 'package.json'), `${JSON.stringify({ name, version, main: 'index.js' })}\n`);
  fs.writeFileSync(path.join(at, 'index.js'), `module.exports = require(${JSON.stringify(entry)});\n`);
  for (const subpath of subpaths) fs.symlinkSync(path.join(folder, subpath), path.join(at, subpath));
}

/** Asked of the file system: the module loader would remember that the package was not there. */
function isInstalledAbove(folder: string, name: string): boolean {
  const parent = path.dirname(folder);
  return (
    fs.existsSync(path.join(folder, 'node_modules', name)) || (parent !== folder && isInstalledAbove(parent, name))
  );
}
