import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashFile } from '@tetris/common';
import { type Cleanups, privateFolder } from '../demo/cleanups';
import { median, rounded } from '../measure/statistics';
import { freePort } from '../servers/server-process';
import type { DaemonProcess } from '../sharing/daemon-process';
import type { SuiteResult } from '../suite';
import { largeModel } from './ingest';
import { measureFloor } from './peer-floor';
import { releaseAll, requestFor, StoreSite, timedLease } from './site';

/** Rounds that count; one before them does not, because a virtual machine's memory is slow when it is first touched. */
const ROUNDS = 3;

/** Ingest of a large model from its file, beside its return from the disk tier, whose files are in the page cache. */
export async function measureDisk(cleanups: Cleanups): Promise<SuiteResult> {
  const checked = await measureDiskReturns(cleanups, 'sha256');
  const bySize = await measureDiskReturns(cleanups, 'size');
  return {
    sourceMs: rounded(bySize.sourceMs, 0),
    demoteMs: rounded(bySize.demoteMs, 0),
    diskMs: rounded(bySize.diskMs, 0),
    diskSpeedup: rounded(bySize.sourceMs / bySize.diskMs, 2),
    diskCheckedMs: rounded(checked.diskMs, 0),
    diskCheckedSpeedup: rounded(checked.sourceMs / checked.diskMs, 2),
  };
}

type DiskTimes = Record<'sourceMs' | 'demoteMs' | 'diskMs', number>;

async function measureDiskReturns(cleanups: Cleanups, verify: 'size' | 'sha256'): Promise<DiskTimes> {
  const site = await StoreSite.open(cleanups);
  const diskPath = await privateFolder(tmpdir(), cleanups);
  const model = await largeModel(site);
  const wanted = requestFor(model);
  const daemon = await site.start({ TETRIS_DAEMON_DISK_PATH: diskPath, TETRIS_DAEMON_DISK_VERIFY: verify });
  const first = await timedLease(daemon, wanted);
  await releaseAll(daemon, [first.lease]);
  const startMs = performance.now();
  await daemon.operator.collect();
  const demoteMs = performance.now() - startMs;
  const diskMs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) diskMs.push(await leaseOnce(daemon, wanted));
  await daemon.stop();
  return { sourceMs: first.ms, demoteMs, diskMs: median(diskMs) };
}

/** Ingest of a large model from its file, beside fetching it from another daemon over loopback, in turns. */
export async function measurePeer(cleanups: Cleanups): Promise<SuiteResult> {
  const folder = await privateFolder(tmpdir(), cleanups);
  const secretPath = join(folder, 'secret');
  writeFileSync(secretPath, randomBytes(32).toString('hex'));
  const port = await freePort();
  const [serving, asking] = [await StoreSite.open(cleanups), await StoreSite.open(cleanups)];
  const model = await largeModel(serving);
  const secret = { TETRIS_DAEMON_PEER_SECRET_PATH: secretPath };
  const one = await serving.start({ ...secret, TETRIS_DAEMON_PEER_LISTEN: `127.0.0.1:${port}` });
  const two = await asking.start({ ...secret, TETRIS_DAEMON_PEERS: `http://127.0.0.1:${port}` });
  // By its digest, as an instance asks that has hashed the model itself: this node has no file of it.
  const fromPeer = { name: model.name, source: { kind: 'digest', sha256: await hashFile(model.path) } } as const;
  const [sourceMs, peerMs]: [number[], number[]] = [[], []];
  let floor: SuiteResult = {};
  for (let round = 0; round <= ROUNDS; round += 1) {
    const ingested = await timedLease(one, requestFor(model));
    const fetchedMs = await leaseOnce(two, fromPeer);
    if (round > 0) {
      sourceMs.push(ingested.ms);
      peerMs.push(fetchedMs);
    }
    if (round === ROUNDS) floor = await measureFloor(join(serving.storePath, 'tensors'), asking.storePath);
    await releaseAll(one, [ingested.lease]);
    await one.operator.collect();
  }
  await Promise.all([one.stop(), two.stop()]);
  return {
    peerSecurity: 'shared secret; every byte checked by SHA-256; no TLS',
    peerSourceMs: rounded(median(sourceMs), 0),
    peerMs: rounded(median(peerMs), 0),
    peerSpeedup: rounded(median(sourceMs) / median(peerMs), 2),
    ...floor,
  };
}

/** Leases a model that the store lacks, lets go and drops it. @returns ms until it was granted */
async function leaseOnce(daemon: DaemonProcess, wanted: Parameters<typeof timedLease>[1]): Promise<number> {
  const { lease, ms } = await timedLease(daemon, wanted);
  await releaseAll(daemon, [lease]);
  await daemon.operator.collect();
  return ms;
}
