import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Logger, PluginError } from '@tetris/common';
import type { DaemonMetrics } from '../metrics';
import type { Cleanups } from '../store/cleanups';
import { claimFolder } from '../store/lock';
import { DiskTier, type DiskTierOptions } from './disk-tier';
import { KeptOriginals } from './kept-originals';

/** Where models lie as they came, beside the folders of the tier. */
const ORIGINALS_FOLDER = 'originals';

export interface DiskConfig {
  diskPath: string;
  diskBytesMax: number;
  diskVerify: DiskTierOptions['verify'];
  diskOriginalBytesMax: number;
}

export interface DiskParts {
  /** Where removals go that fail; the disk's own. */
  cleanups: Cleanups;
  metrics: Pick<DaemonMetrics, 'demotions'>;
  log: Logger;
}

/** What is on the disk. */
export interface Disk {
  readonly tier: DiskTier | undefined;
  /** Undefined where none are to be kept. */
  readonly originals: KeptOriginals | undefined;
  /** Resolves when nothing is being written and the folder is free. */
  close(): Promise<void>;
}

/** The disk tier as configured. @throws PluginError `ERR_CONFIG_INVALID` where another daemon has its folder */
export async function openDisk(
  { diskPath, diskBytesMax, diskVerify, diskOriginalBytesMax }: DiskConfig,
  { cleanups, metrics, log }: DiskParts,
): Promise<Disk> {
  if (diskPath === '') {
    if (diskOriginalBytesMax === 0) return { tier: undefined, originals: undefined, close: async () => undefined };
    throw new PluginError(
      'ERR_CONFIG_INVALID',
      'diskOriginalBytesMax needs diskPath: originals lie beside the disk tier',
    );
  }
  const disk = new DiskTier(
    { path: diskPath, bytesMax: diskBytesMax, verify: diskVerify, nowMs: Date.now(), cleanups },
    metrics,
    log,
  );
  const release = claimFolder(diskPath);
  disk.recover();
  await disk.emptied();
  const folder = join(diskPath, ORIGINALS_FOLDER);
  const originals =
    diskOriginalBytesMax === 0 ? undefined : new KeptOriginals({ folder, bytesMax: diskOriginalBytesMax }, log);
  // A budget that was taken away leaves nothing behind.
  if (originals === undefined) rmSync(folder, { recursive: true, force: true });
  else originals.recover();
  return {
    tier: disk,
    originals,
    close: async () => {
      await originals?.settled();
      release();
    },
  };
}
