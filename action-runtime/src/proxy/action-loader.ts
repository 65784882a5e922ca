/**
 * From the body of `/init` to a callable function, by the rules of OpenWhisk's Node runtime: text is evaluated in a
 * function wrapper, binary is unpacked and required. ES modules work too, which the original does not offer for text.
 */
import fs from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { errorMessage } from '@tetris/common/errors';
import type { StartTrace } from '../start-trace';
import type { ArchiveLimits } from './archive';
import type { Workspace } from './workspace';

/** The action's function, as user code wrote it. */
export type Main = (parameters: unknown) => unknown;

/** What `/init` brings of the action. */
export interface ActionCode {
  main: string;
  code: string;
  binary: boolean;
}

/**
 * Loads an action.
 *
 * @throws whatever user code throws while it loads, and Error where there is no function of that name or the archive
 *   cannot be used
 */
export async function loadAction(
  action: ActionCode,
  workspace: Workspace,
  limits: ArchiveLimits,
  trace: StartTrace,
): Promise<Main> {
  if (action.binary) await trace.time('unpack', () => unpackArchive(action, workspace, limits));
  const load = action.binary ? fromArchive : fromText;
  const main = await trace.time('code', () => load(action, workspace));
  if (typeof main !== 'function') throw new Error(`Action entrypoint '${action.main}' is not a function.`);
  return main as Main;
}

const NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*(\.[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*)*$/u;
const ESM_SYNTAX = /Cannot use import statement|Unexpected token 'export'|Cannot use 'import\.meta'/;

async function fromText({ main, code }: ActionCode, { actionFolder }: Workspace): Promise<unknown> {
  if (!NAME.test(main)) throw new Error(`Action entrypoint '${main}' is not a function.`);
  keepOwnWarningsOut();
  const filename = path.join(actionFolder, 'index.js');
  const module = { exports: {} as Record<string, unknown> };
  let wrapper;
  try {
    wrapper = vm.compileFunction(
      `${code}\n;try { return ${main}; } catch (error) { if (!(error instanceof ReferenceError)) throw error; }`,
      ['require', 'module', 'exports', '__filename', '__dirname'],
      { filename, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER },
    );
  } catch (error) {
    if (!isModule(code, error)) throw error;
    const entry = path.join(actionFolder, 'index.mjs');
    await writeFile(entry, code);
    return member(await importModule(entry), main.split('.'));
  }
  const exported = module.exports;
  const found: unknown = wrapper.call(exported, createRequire(filename), module, exported, filename, actionFolder);
  return found ?? member(module.exports, [main]) ?? member(exported, [main]);
}

/**
 * Node warns of the option that lets text actions `import`: a line of ours in the user's log, which stock does not
 * have.
 */
function keepOwnWarningsOut(): void {
  const listeners = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.message.includes('USE_MAIN_CONTEXT_DEFAULT_LOADER')) return;
    for (const listener of listeners) listener(warning);
  });
}

/**
 * Is a text that is no script a module? It is one where it imports or exports, or where only its `await` was out of
 * place; what the compiler says of the latter depends on where it met it.
 */
function isModule(code: string, error: unknown): boolean {
  if (ESM_SYNTAX.test(errorMessage(error))) return true;
  try {
    new vm.Script(`(async () => {${code}\n})`);
    return true;
  } catch (inner) {
    return ESM_SYNTAX.test(errorMessage(inner));
  }
}

async function unpackArchive({ code }: ActionCode, { actionFolder }: Workspace, limits: ArchiveLimits): Promise<void> {
  try {
    // A file of its own in the bundle, which an action of plain text never reads.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const { unpack } = require('./archive') as typeof import('./archive');
    await unpack(Buffer.from(code, 'base64'), actionFolder, limits);
  } catch (error) {
    throw new Error(`There was an error uncompressing the action archive: ${errorMessage(error)}`, { cause: error });
  }
}

async function fromArchive({ main }: ActionCode, { actionFolder: folder }: Workspace): Promise<unknown> {
  process.chdir(folder);
  const names = main.split('.');
  if (names.length > 1) return member(await requireOrImport(folder, `./${names[0]}`), names.slice(1));
  if (!fs.existsSync(path.join(folder, 'package.json')) && !fs.existsSync(path.join(folder, 'index.js'))) {
    throw new Error('Zipped actions must contain either package.json or index.js at the root.');
  }
  return member(await requireOrImport(folder, folder), names);
}

async function requireOrImport(folder: string, request: string): Promise<unknown> {
  const require = createRequire(path.join(folder, 'index.js'));
  try {
    return require(request) as unknown;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    if (code !== 'ERR_REQUIRE_ESM' && code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
    return importModule(require.resolve(request));
  }
}

function importModule(file: string): Promise<unknown> {
  return import(pathToFileURL(file).href) as Promise<unknown>;
}

/** Follows property names; an ES module's default export stands in where it has no such name itself. */
function member(module: unknown, names: readonly string[]): unknown {
  const found = names.reduce<unknown>(property, module);
  return found ?? names.reduce<unknown>(property, property(module, 'default'));
}

function property(holder: unknown, name: string): unknown {
  return holder === null || holder === undefined ? undefined : (holder as Record<string, unknown>)[name];
}
