import fs from 'node:fs';
import { createRequire } from 'node:module';
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

/** Packages of the runtime that an action may ask for. */
export interface Provided {
  /** The module behind `onnxruntime-node`. */
  onnxruntime: string;
}

/** Makes the folder; it is removed when the process exits in good order. */
export function createWorkspace(provided: Provided): Workspace {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'tetris-'));
  const actionFolder = path.join(folder, 'action');
  fs.mkdirSync(actionFolder);
  const modules = path.join(folder, 'node_modules');
  fs.mkdirSync(modules);
  writePackage(path.join(modules, 'onnxruntime-node'), provided.onnxruntime);
  // A derived image may hold another version at `/node_modules`: then that one is the preinstalled one.
  if (!resolvable('openwhisk', actionFolder)) {
    const own = path.dirname(require.resolve('openwhisk/package.json'));
    fs.symlinkSync(own, path.join(modules, 'openwhisk'));
  }
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  return { folder, actionFolder };
}

/** A package of one line, which `import` finds too (a resolver hook on the main thread is asked by `require` only). */
function writePackage(folder: string, target: string): void {
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), '{"name":"onnxruntime-node","main":"index.js"}\n');
  fs.writeFileSync(path.join(folder, 'index.js'), `module.exports = require(${JSON.stringify(target)});\n`);
}

function resolvable(name: string, from: string): boolean {
  try {
    createRequire(path.join(from, 'index.js')).resolve(name);
    return true;
  } catch {
    return false;
  }
}
