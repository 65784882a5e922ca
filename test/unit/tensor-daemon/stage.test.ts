import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger, Semaphore } from '@tetris/common';
import { Registry } from 'prom-client';
import { publishTensors } from '../../../tensor-daemon/src/ingest/publish-tensors';
import { createMetrics } from '../../../tensor-daemon/src/metrics';
import type { Model } from '../../../tensor-daemon/src/store/catalog';
import { Reclaimer } from '../../../tensor-daemon/src/store/reclaimer';
import { Store } from '../../../tensor-daemon/src/store/store';
import { DiskTier } from '../../../tensor-daemon/src/tier/disk-tier';
import { Restorer } from '../../../tensor-daemon/src/tier/restorer';
import { corpus } from '../../support/fuzz/corpus';
import { tmpfsFolder } from '../../support/daemon';
import { type StageUser, stageContract } from '../../support/stage-contract';
import { testCleanups } from '../../support/store-world';

const KEY = 'd'.repeat(64);
const [OPTIMIZED = Buffer.alloc(0)] = corpus(/^plain\.onnx$/);
const log = createLogger('test', 'silent');
const none = (): number => 0;
const gauges = { uniqueBytes: none, unsharedBytes: none, leases: none, instances: none, ingests: none };
const metrics = createMetrics(new Registry(), { ...gauges, mappedBytes: none, diskBytes: none, originalBytes: none });

function openStore(path: string, sync: 'always' | 'never' = 'always'): Store {
  mkdirSync(path, { recursive: true });
  const store = new Store({ path, sync, inventoryLogMax: 10, nowMs: 1, cleanups: testCleanups() });
  store.recover();
  return store;
}

/** As an ingest does it once the optimizer has written. */
async function ingest(store: Store, signal: AbortSignal): Promise<Model> {
  const stage = store.stage();
  try {
    writeFileSync(join(stage.work, 'optimized.onnx'), OPTIMIZED);
    const limits = { tensorBytesMin: 8, graphBytesMax: 1e6, inputNames: ['features'], sync: store.sync, scope: '' };
    const job = { stage: stage.files.path, tensorsFolder: store.layout.tensors, ...limits };
    const { tensors, graphBytes } = publishTensors(job, () => signal.throwIfAborted());
    signal.throwIfAborted();
    const names = { format: 1 as const, modelKey: KEY, name: 'model', source: KEY };
    return stage.commit({ ...names, ingestMs: 1, graphBytes, tensors });
  } finally {
    await stage.abort();
  }
}

function userOf(store: Store, write: StageUser['write']): StageUser {
  const { layout, cleanups, catalog, trash } = store;
  return { layout, cleanups, countedBytes: () => catalog.bytes + trash.bytes, emptied: () => trash.emptied(), write };
}

const elsewhere = tmpfsFolder('tetris-stage-source-');
afterAll(() => rmSync(elsewhere, { recursive: true, force: true }));

async function openDisk(path: string): Promise<{ disk: DiskTier; cleanups: ReturnType<typeof testCleanups> }> {
  mkdirSync(path, { recursive: true });
  const cleanups = testCleanups();
  const disk = new DiskTier({ path, bytesMax: 1e9, verify: 'size', nowMs: 1, cleanups }, metrics, log);
  disk.recover();
  return { disk, cleanups };
}

describe('store.stage()', () => {
  stageContract('an ingest', async (folder) => {
    const store = openStore(folder);
    return userOf(store, (signal) => ingest(store, signal));
  });

  stageContract('a restore from the disk', async (folder) => {
    const source = openStore(join(elsewhere, 'memory'), 'never');
    const { disk } = await openDisk(join(elsewhere, 'disk'));
    const model = source.catalog.model(KEY) ?? (await ingest(source, new AbortController().signal));
    await disk.demote(model, source.layout);
    const store = openStore(folder, 'never');
    const hooks = { usesOf: none, otherBytes: none, reclaimed: () => undefined };
    const reclaimer = new Reclaimer(store, { bytesMax: 1e9, modelTtlMs: 1 }, hooks);
    const slots = new Semaphore(2, 2);
    const restorer = new Restorer({ store, reclaimer, tiers: [disk], slots, metrics, log });
    return userOf(store, (signal) => restorer.restore({ modelKey: KEY, scope: '' }, { signal, tell: () => undefined }));
  });

  stageContract('a demotion to the disk', async (folder) => {
    const source = openStore(join(elsewhere, 'memory'), 'never');
    const model = source.catalog.model(KEY) ?? (await ingest(source, new AbortController().signal));
    const { disk, cleanups } = await openDisk(folder);
    return {
      layout: disk.layout,
      cleanups,
      countedBytes: () => disk.bytes,
      emptied: () => disk.emptied(),
      write: () => disk.demote(model, source.layout),
    };
  });

  it('bad call: a tensor that is not staged, or not with its bytes, is no part of a model', async () => {
    const store = openStore(join(elsewhere, 'bad'));
    const stage = store.stage();
    const manifest = { format: 1 as const, modelKey: KEY, name: '', source: KEY, ingestMs: 1, graphBytes: 1 };
    const tensors = [{ sha256: 'a'.repeat(64), bytes: 3 }];
    expect(() => stage.commit({ ...manifest, tensors })).toThrow(/is not staged/);
    writeFileSync(join(stage.work, 'part'), 'four');
    stage.addTensor('a'.repeat(64), join(stage.work, 'part'));
    expect(() => stage.commit({ ...manifest, tensors })).toThrow(/with its 3 bytes/);
    await stage.abort();
    expect([store.catalog.tensorCount, store.catalog.modelCount]).toEqual([0, 0]);
  });
});
