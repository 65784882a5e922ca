import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { LeaseService } from '../../../tensor-daemon/src/lease/lease-service';
import { LeaseTable } from '../../../tensor-daemon/src/lease/lease-table';
import { recoverInstances } from '../../../tensor-daemon/src/lease/recover';
import { createMetrics } from '../../../tensor-daemon/src/metrics';
import { Reclaimer } from '../../../tensor-daemon/src/store/reclaimer';
import { ChangedError, type ModelFiles } from '../../../tensor-daemon/src/source/model-files';
import { STORE_FORMAT } from '../../../tensor-daemon/src/store/manifest';
import { Registrations } from '../../../tensor-daemon/src/store/registrations';
import { Store } from '../../../tensor-daemon/src/store/store';
import { Views } from '../../../tensor-daemon/src/store/views';
import { tmpfsFolder } from '../../support/daemon';

const STEPS = 5_000;

/** Five models over eight tensors, so that every tensor is shared in some way. */
const MODELS: readonly (readonly number[])[] = [[0, 1, 2], [0, 1, 3], [4], [4, 5, 6, 7], [2, 7]];

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

const KEYS = MODELS.map((_, index) => sha256(`model ${index}`));
const CONTENTS = Array.from({ length: 8 }, (_, index) => `tensor ${index} `.repeat(1_000));
const TENSORS = CONTENTS.map(sha256);

/** A small generator, so that a failure can be walked again. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** The service over a real store; the ingest publishes given bytes instead of running onnxruntime. */
class World {
  readonly folder = tmpfsFolder('tetris-lease-walk-');
  nowMs = 1_000;
  ingests = 0;
  store!: Store;
  table!: LeaseTable;
  service!: LeaseService;
  reclaimer!: Reclaimer;
  holders = new Map<AbortController, { instance: string; key: string }>();

  constructor() {
    this.restart();
  }

  /** As after a SIGKILL: nothing but the folders is left. */
  restart(): void {
    this.holders.clear();
    const store = new Store({ path: this.folder, sync: 'never', inventoryLogMax: 100, nowMs: this.nowMs });
    store.recover();
    const table = new LeaseTable({
      leasesMax: 1_000,
      leasesPerInstanceMax: 10,
      leasesPerNamespaceMax: 1_000,
      modelsPerNamespaceMax: 1_000,
      instancesMax: 100,
    });
    const views = new Views(store.layout);
    const registrations = new Registrations(store.layout.instances);
    recoverInstances(store, views, registrations, table, this.nowMs + 100);
    store.unlinkOrphans();
    const hooks = {
      usesOf: (key: string) => table.modelUses(key),
      otherBytes: () => 0,
      reclaimed: () => undefined,
    };
    const reclaimer = new Reclaimer(store, { bytesMax: 1e9, modelTtlMs: 50 }, hooks);
    const metrics = createMetrics(new Registry(), {
      uniqueBytes: () => 0,
      unsharedBytes: () => 0,
      leases: () => 0,
      instances: () => 0,
      mappedBytes: () => 0,
      diskBytes: () => 0,
      originalBytes: () => 0,
    });
    this.store = store;
    this.table = table;
    this.reclaimer = reclaimer;
    this.service = new LeaseService({
      table,
      store,
      views,
      registrations,
      sources: { files: async () => ({ sha256: KEYS[0] }) as ModelFiles },
      ingest: {
        ingest: async ({ modelKey }) => {
          if (this.changes-- > 0) throw new ChangedError('it holds something else');
          return this.publish(store, KEYS.indexOf(modelKey));
        },
      },
      reclaimer,
      metrics,
      keyOf: () => this.wantedKey,
      sharing: 'cluster',
      registeredOnly: false,
      now: () => this.nowMs,
    });
  }

  wantedKey = KEYS[0] ?? '';
  /** How often the source turns out to hold something else than it was thought to. */
  changes = 0;

  private publish(store: Store, index: number) {
    this.ingests++;
    const modelKey = KEYS[index] ?? '';
    const scratch = store.newScratch();
    const [folder, pins] = [join(scratch.path, 'model'), join(scratch.path, 'pins')];
    mkdirSync(folder);
    mkdirSync(pins);
    writeFileSync(join(folder, 'model.onnx'), 'graph');
    const numbers = MODELS[index] ?? [];
    for (const number of numbers) writeFileSync(join(pins, TENSORS[number] ?? ''), CONTENTS[number] ?? '');
    const tensors = numbers.map((number) => ({ sha256: TENSORS[number] ?? '', bytes: CONTENTS[number]?.length ?? 0 }));
    const manifest = {
      format: STORE_FORMAT,
      modelKey,
      name: '',
      source: modelKey,
      ingestMs: 1,
      graphBytes: 5,
      tensors,
    };
    try {
      return store.publishModel(folder, pins, { ...manifest, format: 1 });
    } finally {
      scratch.remove();
    }
  }

  async lease(instance: string, index: number): Promise<void> {
    const abort = new AbortController();
    const key = KEYS[index] ?? '';
    this.wantedKey = key;
    const grant = await this.service.lease(
      {
        instance,
        namespace: 'guest',
        name: '',
        source: { kind: 'digest', sha256: key, externalData: [] },
        graph: { graphOptimizationLevel: 'all', freeDimensionOverrides: {} },
      },
      { signal: abort.signal, progress: () => undefined, ended: () => this.holders.delete(abort) },
    );
    expect(grant.modelKey).toBe(key);
    this.holders.set(abort, { instance, key });
  }

  /** Link counts on disk against who should hold what. */
  check(retained: ReadonlySet<string>): void {
    const views = new Set([...this.holders.values()].map(({ instance, key }) => `${instance}/${key}`));
    for (const view of retained) views.add(view);
    const references = TENSORS.map((_, number) => {
      return [...views].filter((view) => MODELS[KEYS.indexOf(view.split('/')[1] ?? '')]?.includes(number)).length;
    });
    for (const [number, tensor] of TENSORS.entries()) {
      const links = statSync(this.store.layout.tensor(tensor), { throwIfNoEntry: false })?.nlink ?? 0;
      if (links === 0) expect(references[number]).toBe(0);
      else expect(links - 1).toBe(references[number]);
    }
  }
}

describe('LeaseService over a real store', () => {
  const world = new World();
  afterAll(async () => {
    await world.store.trash.emptied();
    rmSync(world.folder, { recursive: true, force: true });
  });

  it('has exactly one link per view after every step of a random walk with restarts', async () => {
    const seed = randomBytes(4).readUInt32LE();
    process.stderr.write(`lease walk seed ${seed}\n`);
    const random = generator(seed);
    const registered = new Set<string>();
    let retained = new Set<string>();
    const pick = <T>(items: readonly T[]): T | undefined => items[random(Math.max(1, items.length))];
    const names = Array.from({ length: 6 }, (_, index) => `instance-number-${index}`);
    for (let step = 0; step < STEPS; step++) {
      world.nowMs += random(20);
      const instance = names[random(names.length)] ?? '';
      const choice = random(100);
      if (choice < 45) {
        await world.lease(instance, random(MODELS.length)).catch((error: { code?: string }) => {
          expect(error.code).toBe('ERR_LEASE_LIMIT');
        });
        for (const { key } of [...world.holders.values()].filter((holder) => holder.instance === instance)) {
          retained.delete(`${instance}/${key}`);
        }
      } else if (choice < 75) {
        const abort = pick([...world.holders.keys()]);
        if (abort !== undefined) {
          world.holders.delete(abort);
          abort.abort();
          await new Promise((resolve) => setImmediate(resolve));
          await new Promise((resolve) => setImmediate(resolve));
        }
      } else if (choice < 82) {
        world.service.registerInstance(instance, 'guest');
        registered.add(instance);
      } else if (choice < 88) {
        await world.service.releaseInstance(instance);
        registered.delete(instance);
        retained = new Set([...retained].filter((view) => !view.startsWith(instance)));
      } else if (choice < 94) {
        await world.reclaimer.free(1 + random(100_000));
      } else if (choice < 97) {
        await world.reclaimer.expire(world.nowMs);
      } else {
        const held = [...world.holders.values()].filter(({ instance: holder }) => registered.has(holder));
        retained = new Set([...retained, ...held.map(({ instance: holder, key }) => `${holder}/${key}`)]);
        // A daemon that was killed removes nothing any more.
        await world.store.trash.emptied();
        world.restart();
        // The operator is quick: everything registered is announced again within the grace.
        for (const name of registered) world.service.registerInstance(name, 'guest');
      }
      world.check(retained);
    }
    expect(world.ingests).toBeGreaterThan(10);
  }, 120_000);

  describe('where a source turns out to hold something else', () => {
    const changing = new World();
    afterAll(async () => {
      await changing.store.trash.emptied();
      rmSync(changing.folder, { recursive: true, force: true });
    });

    it('expected failure: a lease is refused when that happens twice, and leaves nothing', async () => {
      changing.changes = 2;
      await expect(changing.lease('instance-number-0', 0)).rejects.toMatchObject({
        code: 'ERR_MODEL_FETCH_FAILED',
        retriable: true,
      });
      expect([
        changing.table.leaseCount,
        changing.table.instanceCount,
        changing.table.modelUses(KEYS[0] ?? ''),
      ]).toEqual([0, 0, 0]);
    });

    it('asks once more, and holds one lease in the end', async () => {
      changing.changes = 1;
      await changing.lease('instance-number-0', 0);
      expect([changing.table.leaseCount, changing.table.modelUses(KEYS[0] ?? '')]).toEqual([1, 1]);
      changing.check(new Set());
    });
  });
});
