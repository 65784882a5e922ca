import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { rounded } from '../measure/statistics';
import { type BuiltModel, buildModel } from '../models/built-model';
import { transformer } from '../models/transformer';
import type { SuiteResult } from '../suite';
import { releaseAll, requestFor, type StoreSite, timedLease } from './site';

/** The model that is ingested, demoted and fetched: BERT base, 340 MB. */
export async function largeModel(site: StoreSite): Promise<BuiltModel> {
  return buildModel(transformer('bert'), site.folder);
}

/** Ingest of a large model, beside `sha256sum` and `cp` of its file to the same tmpfs. */
export async function measureIngest(site: StoreSite): Promise<SuiteResult> {
  const daemon = await site.start();
  const model = await largeModel(site);
  // The file is in the page cache for both.
  const copyMs = copyAndHash(model.path, site.storePath);
  const { lease, ms, optimizeMs } = await timedLease(daemon, requestFor(model));
  await releaseAll(daemon, [lease]);
  await daemon.operator.collect();
  await daemon.stop();
  return {
    ingestMs: rounded(ms, 0),
    ingestOptimizeMs: rounded(optimizeMs, 0),
    copyMs: rounded(copyMs, 0),
    modelMb: rounded(model.bytes / 1e6, 0),
    publishedMb: rounded(lease.tensorBytes / 1e6, 0),
    ingestOverCopy: rounded((ms - optimizeMs) / copyMs, 2),
  };
}

function copyAndHash(path: string, storePath: string): number {
  const copy = join(storePath, 'copy');
  const startMs = performance.now();
  execFileSync('sha256sum', [path]);
  execFileSync('cp', [path, copy]);
  const ms = performance.now() - startMs;
  rmSync(copy);
  return ms;
}
