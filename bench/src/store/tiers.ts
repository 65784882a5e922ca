import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cleanups, temporaryFolder } from '../demo/cleanups';
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

/** Ingest of a large model from its file, beside fetching it from another daemon over loopback. */
export async function measurePeer(cleanups: Cleanups): Promise<SuiteResult> {
  const folder = await temporaryFolder(tmpdir(), cleanups);
  const secretPath = join(folder, 'secret');
  writeFileSync(secretPath, randomBytes(32).toString('hex'));
  const port = await freePort();
  const [serving, asking] = [await StoreSite.open(cleanups), await StoreSite.open(cleanups)];
  const model = await largeModel(serving);
  const secret = { TETRIS_DAEMON_PEER_SECRET_PATH: secretPath };
  const one = await serving.start({ ...secret, TETRIS_DAEMON_PEER_LISTEN: `127.0.0.1:${port}` });
  const ingested = await timedLease(one, requestFor(model));
  const two = await asking.start({ ...secret, TETRIS_DAEMON_PEERS: `http://127.0.0.1:${port}` });
  // By its digest, as an instance asks that has hashed the model itself: this node has no file of it.
  const source = { kind: 'digest', sha256: await sha256Of(model.path) } as const;
  const fetched = await timedLease(two, { name: model.name, source });
  await releaseAll(one, [ingested.lease]);
  await releaseAll(two, [fetched.lease]);
  await Promise.all([one.stop(), two.stop()]);
  return {
    peerSourceMs: rounded(ingested.ms, 0),
    peerMs: rounded(fetched.ms, 0),
    peerSpeedup: rounded(ingested.ms / fetched.ms, 2),
  };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
