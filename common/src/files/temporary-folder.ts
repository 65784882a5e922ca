/** Private folders that tell whose they are, so that those of processes that were killed are found and removed. */
import { readdirSync, rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unmountBelow } from './huge-pages';
import { hasEnded, processIdentity } from '../processes/process-identity';

const NAME = /^tetris-\w{6}$/;
/** In the folder and not in its name, which is part of the paths of sockets: they may have 107 bytes. */
const OWNER = '.owner';

/**
 * Makes a folder `parent/tetris-XXXXXX` that only this user may enter, having removed those in `parent` whose process
 * has ended. The caller removes it; whoever makes the next one does where the caller cannot.
 */
export async function temporaryFolder(parent: string): Promise<string> {
  await sweep(parent);
  const path = await mkdtemp(join(parent, 'tetris-'));
  await writeFile(join(path, OWNER), processIdentity());
  return path;
}

/**
 * Removes a folder with everything in it, file systems that are mounted there included; into one that is in use a file
 * may still be written meanwhile.
 */
export async function removeFolder(path: string): Promise<void> {
  unmountBelow(path);
  await rm(path, { recursive: true, force: true, maxRetries: 5 });
}

/** As {@link removeFolder}, for a process that ends. */
export function removeFolderNow(path: string): void {
  unmountBelow(path);
  rmSync(path, { recursive: true, force: true });
}

/** Removes a temporary folder in which nothing is left. */
export function removeEmptyFolder(path: string): void {
  if (readdirSync(path).every((name) => name === OWNER)) rmSync(path, { recursive: true, force: true });
}

async function sweep(parent: string): Promise<void> {
  const folders = (await readdir(parent)).filter((name) => NAME.test(name)).map((name) => join(parent, name));
  // Those of another user are that user's to remove.
  await Promise.allSettled(
    folders.map(async (folder) => {
      if (hasEnded(await readFile(join(folder, OWNER), 'utf8'))) await removeFolder(folder);
    }),
  );
}
