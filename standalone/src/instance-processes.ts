import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isInside } from '@tetris/common';

/** A process that runs activations on a node. */
export interface InstanceProcess {
  pid: number;
  /** Its token at the daemon. */
  instance: string;
  /** The container's name: counter, namespace and action are part of it. */
  container: string;
}

/** The living process containers below a work folder, found by their environment. */
export async function instanceProcesses(workPath: string): Promise<InstanceProcess[]> {
  const found: InstanceProcess[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    const value = (key: string): string => new RegExp(`(?:^|\0)${key}=([^\0]*)`).exec(environment)?.[1] ?? '';
    const temporaryPath = value('TMPDIR');
    if (!isInside(workPath, temporaryPath)) continue;
    const container = basename(dirname(temporaryPath));
    found.push({ pid: Number(name), instance: value('TETRIS_RUNTIME_INSTANCE'), container });
  }
  return found;
}
