import type { Lease, LeaseRequest } from '@tetris/common';
import { DaemonClient } from '@tetris/common';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Cleanups, privateFolder } from '../demo/cleanups';
import type { BuiltModel } from '../models/built-model';
import { DaemonProcess } from '../sharing/daemon-process';

/** A folder for models and sockets, a store, and daemons over it. */
export class StoreSite {
  readonly folder: string;
  readonly storePath: string;
  readonly #cleanups: Cleanups;

  private constructor(folder: string, storePath: string, cleanups: Cleanups) {
    this.folder = folder;
    this.storePath = storePath;
    this.#cleanups = cleanups;
  }

  /**
   * @param folder of the models, where they exist already
   * @param medium a folder of the file system that the store is to be on
   */
  static async open(cleanups: Cleanups, folder?: string, medium = '/dev/shm'): Promise<StoreSite> {
    const own = folder ?? (await privateFolder(tmpdir(), cleanups));
    return new StoreSite(own, await privateFolder(medium, cleanups), cleanups);
  }

  /** Starts a daemon and waits until it is ready. */
  async start(settings: Readonly<Record<string, string>> = {}): Promise<DaemonProcess> {
    const sockets = await privateFolder(tmpdir(), this.#cleanups);
    const roots = { TETRIS_DAEMON_MODEL_ROOTS: this.folder };
    const daemon = new DaemonProcess(sockets, this.storePath, { ...roots, ...settings });
    this.#cleanups.add(() => daemon.stop());
    await daemon.ready();
    return daemon;
  }
}

/** What leases a model by its path. */
export function requestFor({ path, name }: Pick<BuiltModel, 'path' | 'name'>): LeaseRequest {
  const { size, mtimeMs } = statSync(path);
  return { name, source: { kind: 'file', path, bytes: size, mtimeMs } };
}

/** A lease and the time until it was granted, as its holder sees it. */
export async function timedLease(
  daemon: DaemonProcess,
  wanted: LeaseRequest,
): Promise<{ lease: Lease; ms: number; optimizeMs: number }> {
  const client = new DaemonClient(daemon.socketPath);
  const startMs = performance.now();
  let optimizeFromMs: number | undefined;
  let optimizeToMs: number | undefined;
  const lease = await client.lease(wanted, ({ phase }) => {
    if (phase === 'optimize') optimizeFromMs ??= performance.now();
    if (phase === 'publish') optimizeToMs ??= performance.now();
  });
  const endMs = performance.now();
  const optimizeMs = optimizeFromMs === undefined ? 0 : (optimizeToMs ?? endMs) - optimizeFromMs;
  return { lease, ms: endMs - startMs, optimizeMs };
}

/** Releases leases and waits until the daemon knows. */
export async function releaseAll(daemon: DaemonProcess, leases: readonly Lease[]): Promise<void> {
  for (const lease of leases) lease.release();
  while ((await daemon.operator.totals()).leases > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}
