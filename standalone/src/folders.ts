/**
 * Folders that a configuration names: looked at before anything is started, because a daemon could only fail with them.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { errorMessage, makeFolder, PluginError } from '@tetris/common';
import type { StandaloneConfig } from './config';

type Folders = Pick<StandaloneConfig, 'models' | 'storePath' | 'dataPath'>;

/**
 * Makes the folders that are to be written.
 * @param nameOf what a setting is called where it came from
 * @throws PluginError `ERR_CONFIG_INVALID` that names every setting whose folder is of no use, and the folder
 */
export async function checkFolders(folders: Folders, nameOf: (key: keyof Folders) => string): Promise<void> {
  const { models, storePath, dataPath } = folders;
  const checks: [keyof Folders, string, Promise<void>][] = models.map((path) => ['models', path, readable(path)]);
  if (storePath !== '') checks.push(['storePath', storePath, writable(storePath)]);
  if (dataPath !== '') checks.push(['dataPath', dataPath, writable(dataPath)]);
  const results = await Promise.allSettled(checks.map(([, , check]) => check));
  const problems = results.flatMap((result, at) => {
    const [key, path] = checks[at] ?? (['models', ''] as const);
    if (result.status === 'fulfilled') return [];
    const wanted = key === 'models' ? 'folders that can be read' : 'a folder that can be written';
    return [`${nameOf(key)}: takes ${wanted}; got '${path}': ${errorMessage(result.reason)}`];
  });
  if (problems.length > 0) throw new PluginError('ERR_CONFIG_INVALID', problems.join('\n  '));
}

async function readable(path: string): Promise<void> {
  if (!(await stat(path)).isDirectory()) throw new Error('it is no folder');
  await access(path, constants.R_OK | constants.X_OK);
}

async function writable(path: string): Promise<void> {
  makeFolder(path);
  await access(path, constants.W_OK | constants.X_OK);
}
