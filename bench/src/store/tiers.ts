import { tmpdir } from 'node:os';
import type { Cleanups } from '../demo/cleanups';
import { temporaryFolder } from '../demo/cleanups';
import { rounded } from '../measure/statistics';
import type { SuiteResult } from '../suites';
import { largeModel } from './ingest';
import { releaseAll, requestFor, StoreSite, timedLease } from './site';

/** Ingest of a large model from its file, beside its return from the disk tier, whose files are in the page cache. */
export async function measureDisk(cleanups: Cleanups): Promise<SuiteResult> {
  const site = await StoreSite.open(cleanups);
  const diskPath = await temporaryFolder(tmpdir(), cleanups);
  const model = await largeModel(site);
  const daemon = await site.start({ TETRIS_DAEMON_DISK_PATH: diskPath });
  const first = await timedLease(daemon, requestFor(model));
  await releaseAll(daemon, [first.lease]);
  const startMs = performance.now();
  await daemon.operator.collect();
  const demoteMs = performance.now() - startMs;
  const back = await timedLease(daemon, requestFor(model));
  await releaseAll(daemon, [back.lease]);
  await daemon.stop();
  return {
    sourceMs: rounded(first.ms, 0),
    demoteMs: rounded(demoteMs, 0),
    diskMs: rounded(back.ms, 0),
    diskSpeedup: rounded(first.ms / back.ms, 2),
  };
}
