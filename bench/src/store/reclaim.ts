import type { LeaseRequest } from '@tetris/common';
import type { Cleanups } from '../demo/cleanups';
import { folderBytes } from '../measure/folder-bytes';
import { rounded } from '../measure/statistics';
import { buildModel } from '../models/built-model';
import { perceptron } from '../models/small-models';
import type { DaemonProcess } from '../sharing/daemon-process';
import type { SuiteResult } from '../suite';
import { makeStore } from './made-store';
import { requestFor, StoreSite, timedLease } from './site';

const GIGABYTE = 1e9;
const MODELS = 50;
const TENSORS_PER_MODEL = 20;
const QUIET_LEASES = 300;

/** Warm leases while a gigabyte is being reclaimed, beside the same leases without. */
export async function measureReclaim(cleanups: Cleanups): Promise<SuiteResult> {
  const site = await StoreSite.open(cleanups);
  const tensorBytes = Math.ceil(GIGABYTE / MODELS / TENSORS_PER_MODEL / 4096) * 4096;
  makeStore(site.storePath, { models: MODELS, tensorsPerModel: TENSORS_PER_MODEL, tensorBytes });
  const daemon = await site.start();
  const wanted = requestFor(await buildModel(perceptron('busy'), site.folder));
  // Held, so that reclaim spares it.
  const { lease } = await timedLease(daemon, wanted);
  const bytesBefore = await folderBytes(site.storePath);

  let remaining = QUIET_LEASES;
  const quiet = await leasesWhile(daemon, wanted, () => (remaining -= 1) >= 0);
  const reclaim = daemon.operator.collect();
  let reclaiming = true;
  const emptied = reclaim.then(async () => {
    while ((await folderBytes(site.storePath)) > bytesBefore - GIGABYTE) await Promise.resolve();
    reclaiming = false;
  });
  const busy = await leasesWhile(daemon, wanted, () => reclaiming);
  await emptied;
  lease.release();
  const { bytes } = await reclaim;
  await daemon.stop();
  return {
    reclaimedMb: rounded(bytes / 1e6, 0),
    reclaimLeases: busy.length,
    quietP99Ms: rounded(p99(quiet)),
    reclaimP99Ms: rounded(p99(busy)),
    reclaimDelayP99Ms: rounded(p99(busy) - p99(quiet)),
  };
}

async function leasesWhile(daemon: DaemonProcess, wanted: LeaseRequest, more: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (more()) {
    const { lease, ms } = await timedLease(daemon, wanted);
    times.push(ms);
    lease.release();
  }
  return times;
}

function p99(times: readonly number[]): number {
  const sorted = [...times].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] ?? Number.NaN;
}
