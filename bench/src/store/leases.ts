import { DaemonClient, type Lease } from '@tetris/common';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanups } from '../demo/cleanups';
import { median, rounded } from '../measure/statistics';
import { buildModel } from '../models/built-model';
import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import type { DaemonProcess } from '../sharing/daemon-process';
import type { SuiteResult } from '../suite';
import { leaseQuantileMs } from './lease-histogram';
import { releaseAll, requestFor, StoreSite, timedLease } from './site';

const WARM_LEASES = 200;
const HELD_AT_ONCE = 500;
const CYCLES = 10_000;
const CYCLES_AT_ONCE = 4;
const TENSORS = 200;

/** Warm leases of a model of 200 tensors: one after another, many at once, and very many. */
export async function measureLeases(cleanups: Cleanups): Promise<SuiteResult> {
  const site = await StoreSite.open(cleanups);
  const daemon = await site.start();
  const wanted = requestFor(await buildModel(chain(TENSORS), site.folder));
  const first = await timedLease(daemon, wanted);
  const { tensors } = first.lease;

  const before = await daemon.metrics();
  const clientMs: number[] = [];
  for (let count = 0; count < WARM_LEASES; count += 1) {
    const { lease, ms } = await timedLease(daemon, wanted);
    clientMs.push(ms);
    lease.release();
  }
  const leaseMedianMs = leaseQuantileMs(before, await daemon.metrics(), 0.5);

  const startMs = performance.now();
  const held = await Promise.all(Array.from({ length: HELD_AT_ONCE }, () => timedLease(daemon, wanted)));
  const heldMs = performance.now() - startMs;
  const heldLinks = linkCounts(site.storePath);
  await releaseAll(daemon, [first.lease, ...held.map(({ lease }) => lease)]);

  const drift = await cycles(daemon, site, wanted);
  await daemon.stop();
  return {
    tensors,
    leaseMedianMs: rounded(leaseMedianMs),
    leaseClientMedianMs: rounded(median(clientMs)),
    heldAtOnce: heldLinks.every((links) => links === HELD_AT_ONCE + 2) ? HELD_AT_ONCE : 0,
    heldAtOnceMs: rounded(heldMs, 0),
    cycles: CYCLES,
    linkDrift: drift,
  };
}

/** @returns how many links too many there are after all leases have ended */
async function cycles(
  daemon: DaemonProcess,
  { storePath }: StoreSite,
  wanted: ReturnType<typeof requestFor>,
): Promise<number> {
  const client = new DaemonClient(daemon.socketPath);
  let left = CYCLES;
  const loop = async (): Promise<void> => {
    for (; left > 0; left -= 1) {
      const lease: Lease = await client.lease(wanted);
      lease.release();
    }
  };
  await Promise.all(Array.from({ length: CYCLES_AT_ONCE }, loop));
  await releaseAll(daemon, []);
  return linkCounts(storePath).reduce((sum, links) => sum + Math.abs(links - 1), 0);
}

function linkCounts(storePath: string): number[] {
  const folder = join(storePath, 'tensors');
  return readdirSync(folder).map((name) => statSync(join(folder, name)).nlink);
}

/** As many 64 x 64 layers as it shall have tensors. */
function chain(layers: number): ModelDefinition {
  const builder = new GraphBuilder('chain', 1);
  let stream = builder.input({ name: 'features', type: 'float32', dims: ['batch', 64], bound: 1 });
  for (let layer = 0; layer < layers; layer += 1) stream = builder.linear(`layer${layer}`, stream, 64, 64);
  builder.output(stream, ['batch', 64]);
  return builder.finish();
}
