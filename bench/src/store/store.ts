/** The tensor store by itself: leases, ingest, memory at rest, reclaim, and the ways back into memory. */
import { Cleanups } from '../demo/cleanups';
import type { Suite, SuiteResult } from '../suite';
import { measureIngest } from './ingest';
import { measureLeases } from './leases';
import { measureMedia } from './media';
import { measurePeak } from './peak';
import { measureReclaim } from './reclaim';
import { measureRest } from './rest';
import { StoreSite } from './site';
import { measureDisk, measurePeer } from './tiers';

const PARTS: Readonly<Record<string, (cleanups: Cleanups) => Promise<SuiteResult>>> = {
  leases: measureLeases,
  ingest: async (cleanups) => measureIngest(await StoreSite.open(cleanups)),
  peak: measurePeak,
  rest: measureRest,
  reclaim: measureReclaim,
  disk: measureDisk,
  peer: measurePeer,
  media: measureMedia,
};

async function run(): Promise<SuiteResult> {
  let result: SuiteResult = {};
  for (const [name, measure] of Object.entries(PARTS)) {
    process.stderr.write(`${name}...\n`);
    const cleanups = new Cleanups();
    try {
      result = { ...result, ...(await measure(cleanups)) };
    } finally {
      await cleanups.run();
    }
  }
  return result;
}

export const suite: Suite = { run };
