import { open, stat, unlink } from 'node:fs/promises';
import { errorMessage, PluginError } from '../errors';

/**
 * Whoever reads what this process prints may go (a closed terminal, `| head`): what is printed then is lost, and that
 * is all. Unhandled, the first such line would be an exception, and telling of that another one.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/**
 * Looks whether the files can be written that a command is to leave at its end: minutes later would be too late.
 * @param outputs paths by the name of the flag that gave them
 * @throws PluginError `ERR_CONFIG_INVALID` that names the flag, the path and what is wrong
 */
export async function checkOutputs(outputs: Readonly<Record<string, string | undefined>>): Promise<void> {
  for (const [flag, path] of Object.entries(outputs)) {
    const problem = path === undefined ? undefined : await outputProblem(path);
    if (problem === undefined) continue;
    const text = `--${flag} takes a file that can be written; got '${path}': ${problem}`;
    throw new PluginError('ERR_CONFIG_INVALID', text);
  }
}

async function outputProblem(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return 'it is a folder';
  // Opened, because rights alone tell nothing of root and /proc.
  try {
    await (await open(path, 'a')).close();
    if (found === undefined) await unlink(path);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
