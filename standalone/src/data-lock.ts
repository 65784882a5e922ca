import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasEnded, makeFolder, PluginError, processIdentity } from '@tetris/common';

/**
 * Claims a data folder for this process, because two that write to one would lose each other's records.
 * @returns gives it back
 * @throws PluginError `ERR_CONFIG_INVALID` that names the folder and the process that has it
 */
export async function lockData(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'lock');
  makeFolder(folder);
  const own = processIdentity();
  const holder = await readFile(path, 'utf8').catch(() => own);
  if (holder !== own && !hasEnded(holder)) {
    const [, pid = holder] = holder.split('-');
    throw new PluginError('ERR_CONFIG_INVALID', `data folder ${folder} is in use by process ${pid} (${path})`);
  }
  await writeFile(path, own);
  return () => rm(path, { force: true });
}
