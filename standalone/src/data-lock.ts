import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PluginError } from '@tetris/common';

/**
 * Claims a data folder for this process, because two that write to one would lose each other's records.
 * @returns gives it back
 * @throws PluginError `ERR_CONFIG_INVALID` that names the folder and the process that has it
 */
export async function lockData(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'lock');
  await mkdir(folder, { recursive: true });
  const holder = Number(await readFile(path, 'utf8').catch(() => ''));
  if (holder > 0 && holder !== process.pid && isAlive(holder)) {
    throw new PluginError('ERR_CONFIG_INVALID', `data folder ${folder} is in use by process ${holder}`);
  }
  await writeFile(path, String(process.pid));
  return () => rm(path, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
