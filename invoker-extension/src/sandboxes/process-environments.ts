/** Finds and ends the processes of instances by their environment, which whatever they start inherits. */
import { readdir, readFile } from 'node:fs/promises';

/**
 * The variable that names the instance which a process belongs to. Its value cannot be guessed, so nothing else is hit.
 */
export const TOKEN_VARIABLE = 'TETRIS_RUNTIME_INSTANCE';

/**
 * Kills every process whose environment is wanted, also those that have left the process group of their instance. One
 * that was started with an environment of its own is not found.
 *
 * @param wanted told of the environments that have {@link TOKEN_VARIABLE}
 * @returns the tokens of those that were wanted
 */
export async function killWhere(wanted: (environment: ReadonlyMap<string, string>) => boolean): Promise<Set<string>> {
  const tokens = new Set<string>();
  for (const [pid, environment] of await environments()) {
    if (pid === process.pid || !wanted(environment)) continue;
    tokens.add(environment.get(TOKEN_VARIABLE) ?? '');
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
  return tokens;
}

/** Environment of every process of an instance that may be read, by pid. */
async function environments(): Promise<Map<number, Map<string, string>>> {
  const found = new Map<number, Map<string, string>>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    if (!text.includes(`${TOKEN_VARIABLE}=`)) continue;
    const pairs = text.split('\0').map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    });
    found.set(Number(name), new Map(pairs));
  }
  return found;
}
