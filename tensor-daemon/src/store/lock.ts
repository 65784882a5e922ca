import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { PluginError } from '@tetris/common';
import { hasCode } from './files';

/** In the folder that it claims. Its content means nothing. */
const LOCK_FILE = 'lock';

/** What `flock` ends with where somebody else has the lock. */
const TAKEN = 1;

const TIMEOUT_MS = 5_000;

/**
 * Claims a folder for this process, which two daemons would ruin for each other. The claim is a lock that the file
 * system holds (flock(2)): it binds all who see the folder, from whichever container or network, and the kernel ends it
 * with the process however that ends. Node has no call for it, but the lock belongs to the open file: `flock` of
 * util-linux takes it on the one that it is handed, and it stays as long as this process has that open.
 *
 * @returns the release
 * @throws PluginError `ERR_CONFIG_INVALID` where another process has it
 */
export function claimFolder(path: string): () => void {
  const file = openSync(join(path, LOCK_FILE), 'a', 0o600);
  const { status, error, stderr } = spawnSync('flock', ['--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', file],
    timeout: TIMEOUT_MS,
    encoding: 'utf8',
  });
  if (status === 0) return () => closeSync(file);
  closeSync(file);
  const reason = status === TAKEN ? `another daemon serves the store ${path}` : cannotLock(path, error, stderr);
  throw new PluginError('ERR_CONFIG_INVALID', reason, { cause: error });
}

function cannotLock(path: string, error: Error | undefined, stderr: string): string {
  if (hasCode(error, 'ENOENT')) return `the store ${path} cannot be locked: install flock (util-linux)`;
  return `the store ${path} cannot be locked: ${error?.message ?? stderr.trim()}`;
}
