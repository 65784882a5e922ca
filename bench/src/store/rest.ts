import { setTimeout as delay } from 'node:timers/promises';
import type { Cleanups } from '../demo/cleanups';
import { processMemory } from '../measure/process-memory';
import { rounded } from '../measure/statistics';
import type { SuiteResult } from '../suite';
import { makeStore } from './made-store';
import { StoreSite } from './site';

/** Time in which the daemon comes to rest. */
const SETTLE_MS = 3_000;

/** A daemon that wakes up over 50,000 tensors and has nothing to do: time to ready, and its own memory. */
export async function measureRest(cleanups: Cleanups): Promise<SuiteResult> {
  const site = await StoreSite.open(cleanups);
  makeStore(site.storePath, { models: 250, tensorsPerModel: 200, tensorBytes: 4096 });
  const startMs = performance.now();
  const daemon = await site.start();
  const restartMs = performance.now() - startMs;
  await delay(SETTLE_MS);
  const { tensors } = await daemon.operator.totals();
  const { ownBytes } = processMemory([daemon.pid], site.storePath);
  await daemon.stop();
  return { restingTensors: tensors, daemonPssMb: rounded(ownBytes / 1e6, 1), restartMs: rounded(restartMs, 0) };
}
