import { makeFolder, mountHugePages } from '@tetris/common';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanups, privateFolder } from '../demo/cleanups';
import { StockProcess } from '../measure/stock-process';
import { DaemonProcess } from '../sharing/daemon-process';
import { Instances } from './instances';

/** The action on both sides of every comparison. */
export const ACTION_PATH = join(__dirname, '../../actions/classify.js');

/** What a measurement needs; everything it starts is ended by `cleanups`. */
export interface Bench {
  instances: Instances;
  /** The instances' daemon. */
  daemon: DaemonProcess;
  /** Models are leased from here. */
  folder: string;
  /** Of the daemon. */
  storePath: string;
  cleanups: Cleanups;
}

/** Pages are taken as they are written. */
const STORE_BYTES_MAX = 8 * 1024 ** 3;

export interface BenchOptions {
  /** Models are leased from here too. @default the bench's own folder alone */
  modelRoot?: string;
  /** `TETRIS_DAEMON_` variables of the daemon. */
  settings?: Readonly<Record<string, string>>;
}

/** Measures beside a daemon with an empty store, and ends all that was started. */
export async function withBench<T>(
  measure: (bench: Bench) => Promise<T>,
  { modelRoot, settings = {} }: BenchOptions = {},
): Promise<T> {
  const cleanups = new Cleanups();
  try {
    const folder = await privateFolder(tmpdir(), cleanups);
    const storePath = join(await privateFolder('/dev/shm', cleanups), 'store');
    makeFolder(storePath);
    const smallPages = await mountHugePages(storePath, STORE_BYTES_MAX);
    if (smallPages !== undefined) process.stderr.write(`the store has small pages: ${smallPages}\n`);
    const modelRoots = [folder, ...(modelRoot === undefined ? [] : [modelRoot])];
    const daemon = new DaemonProcess(folder, storePath, {
      TETRIS_DAEMON_MODEL_ROOTS: modelRoots.join(','),
      TETRIS_DAEMON_STORE_BYTES_MAX: String(STORE_BYTES_MAX),
      ...settings,
    });
    cleanups.add(() => daemon.stop());
    await daemon.ready();
    const instances = new Instances(daemon, folder, ACTION_PATH, modelRoots);
    cleanups.add(() => instances.stop());
    return await measure({ instances, daemon, folder, storePath, cleanups });
  } finally {
    await cleanups.run();
  }
}

/** A plain process with the action in it. */
export function startStock({ cleanups }: Bench): StockProcess {
  const stock = new StockProcess(ACTION_PATH);
  cleanups.add(() => stock.stop());
  return stock;
}
