import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Cleanups } from '../demo/cleanups';
import { median, rounded } from '../measure/statistics';
import { StockProcess } from '../measure/stock-process';
import type { DaemonProcess } from '../sharing/daemon-process';
import type { SuiteResult } from '../suite';
import { largeModel } from './ingest';
import { releaseAll, requestFor, StoreSite, timedLease } from './site';

const ACTION_PATH = join(__dirname, '../../actions/classify.js');

/** Rounds that count; one before them does not. */
const ROUNDS = 3;
const WARM_LEASES = 10;

/** What was measured, ms. */
type Times = Record<'ingestMs' | 'leaseMs' | 'loadMs' | 'coldLoadMs', number[]>;

/** A store somewhere, and what was measured in it. */
interface Medium extends Times {
  site: StoreSite;
  daemon: DaemonProcess;
}

async function mediumOf(site: StoreSite): Promise<Medium> {
  return { site, daemon: await site.start(), ingestMs: [], leaseMs: [], loadMs: [], coldLoadMs: [] };
}

/** A store on the tmpfs beside one wholly on disk, in turns: ingest, warm lease, and load in a new process. */
export async function measureMedia(cleanups: Cleanups): Promise<SuiteResult> {
  const memorySite = await StoreSite.open(cleanups);
  const diskSite = await StoreSite.open(cleanups, memorySite.folder, tmpdir());
  const wanted = requestFor(await largeModel(memorySite));
  const memory = await mediumOf(memorySite);
  const disk = await mediumOf(diskSite);
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const medium of [memory, disk]) await measureRound(medium, wanted, round > 0);
  }
  await Promise.all([memory.daemon.stop(), disk.daemon.stop()]);
  const ratio = (key: keyof Times): number => rounded(median(disk[key]) / median(memory[key]), 2);
  return {
    memoryStoreIngestMs: rounded(median(memory.ingestMs), 0),
    memoryStoreLeaseMs: rounded(median(memory.leaseMs), 1),
    memoryStoreLoadMs: rounded(median(memory.loadMs), 0),
    diskStoreIngestRatio: ratio('ingestMs'),
    diskStoreLeaseRatio: ratio('leaseMs'),
    diskStoreLoadRatio: ratio('loadMs'),
    diskStoreColdLoadRatio: ratio('coldLoadMs'),
  };
}

async function measureRound(medium: Medium, wanted: Parameters<typeof timedLease>[1], counts: boolean): Promise<void> {
  const { daemon, site } = medium;
  const ingested = await timedLease(daemon, wanted);
  const leaseMs: number[] = [];
  for (let count = 0; count < WARM_LEASES; count += 1) {
    const { lease, ms } = await timedLease(daemon, wanted);
    leaseMs.push(ms);
    lease.release();
  }
  const view = join(site.storePath, 'views', ingested.lease.view);
  const loadMs = await loadIn(view);
  evict(dirname(view));
  const coldLoadMs = await loadIn(view);
  await releaseAll(daemon, [ingested.lease]);
  await daemon.operator.collect();
  if (!counts) return;
  medium.ingestMs.push(ingested.ms);
  medium.leaseMs.push(median(leaseMs));
  medium.loadMs.push(loadMs);
  medium.coldLoadMs.push(coldLoadMs);
}

/** Load and first run in a process of its own. */
async function loadIn(model: string): Promise<number> {
  const stock = new StockProcess(ACTION_PATH);
  try {
    const { loadMs, runMs } = await stock.invoke<{ loadMs: number; runMs: number[] }>({ model, shape: [64, 768] });
    return loadMs + (runMs[0] ?? Number.NaN);
  } finally {
    await stock.stop();
  }
}

/**
 * Has the kernel drop what it caches of a folder's files: what nobody maps and is on a disk goes, a tmpfs keeps all.
 */
function evict(folder: string): void {
  for (const name of readdirSync(folder)) {
    execFileSync('dd', [`if=${join(folder, name)}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}
