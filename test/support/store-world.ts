import { createHash } from 'node:crypto';
import {
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createLogger } from '@tetris/common';
import { Registry } from 'prom-client';
import type { CutJob } from '../../tensor-daemon/src/ingest/cut-model';
import type { FlightControl } from '../../tensor-daemon/src/ingest/flights';
import { Ingest } from '../../tensor-daemon/src/ingest/ingest';
import { LeaseService } from '../../tensor-daemon/src/lease/lease-service';
import { LeaseTable } from '../../tensor-daemon/src/lease/lease-table';
import { recoverInstances } from '../../tensor-daemon/src/lease/recover';
import { createMetrics } from '../../tensor-daemon/src/metrics';
import type { ModelFiles } from '../../tensor-daemon/src/source/model-files';
import { UploadedModels } from '../../tensor-daemon/src/source/uploaded-models';
import { Uploads } from '../../tensor-daemon/src/source/uploads';
import { type CleanupFailure, Cleanups } from '../../tensor-daemon/src/store/cleanups';
import { Reclaimer } from '../../tensor-daemon/src/store/reclaimer';
import { Registrations } from '../../tensor-daemon/src/store/registrations';
import { Store } from '../../tensor-daemon/src/store/store';
import { Views } from '../../tensor-daemon/src/store/views';
import { corpus } from './fuzz/corpus';
import { tmpfsFolder } from './daemon';

/** Five models over eight tensors, so that every tensor is shared in some way. */
export const MODELS: readonly (readonly number[])[] = [[0, 1, 2], [0, 1, 3], [4], [4, 5, 6, 7], [2, 7]];

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

const TENSOR_CONTENTS = Array.from({ length: 8 }, (_, index) => `tensor ${index} `.repeat(1_000));
export const TENSORS: readonly string[] = TENSOR_CONTENTS.map(sha256);

/** Model files as they are uploaded: one valid model, told apart by a field that nobody reads. */
const [PLAIN = Buffer.alloc(0)] = corpus(/^plain\.onnx$/);
export const FILES: readonly Buffer[] = MODELS.map((_, index) =>
  // Field 6 of a ModelProto, its documentation, one character long.
  Buffer.concat([PLAIN, Buffer.from([0x32, 1, 0x61 + index])]),
);
/** Their digests, which are also the models' keys here. */
export const KEYS: readonly string[] = FILES.map(sha256);

export function testCleanups(
  now: () => number = () => 0,
  report: (failure: CleanupFailure) => void = () => undefined,
): Cleanups {
  return new Cleanups({ cleanupAttemptsMax: 12, cleanupRetryMs: 10 }, report, now);
}

export interface WorldOptions {
  bytesMax?: number;
  ingestsMax?: number;
  ingestQueueMax?: number;
}

interface Held {
  instance: string;
  modelKey: string;
}

/**
 * The lease service with ingest, uploads, reclaimer and a real store in one process; only the optimizer is replaced, by
 * one that stages given tensors. Time and its pauses are the test's.
 */
export class StoreWorld {
  nowMs = 1_000;
  /** Called between the steps of an ingest. */
  pause: () => Promise<unknown> = nextTurn;
  /** What the next ingests throw after a step: for sources that have changed. */
  readonly cutErrors: Error[] = [];
  ingests = 0;
  folder = tmpfsFolder('tetris-store-world-');
  store!: Store;
  table!: LeaseTable;
  uploads!: Uploads;
  ingest!: Ingest;
  leases!: LeaseService;
  reclaimer!: Reclaimer;
  /** Leases that have been granted and not ended. */
  readonly holders = new Map<AbortController, Held>();
  /** Leases that are being made. */
  readonly asking = new Set<AbortController>();
  readonly #options: WorldOptions;
  /** Calls that have not settled. */
  readonly #calls = new Set<Promise<unknown>>();

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.#start();
  }

  /** Every removal that has failed. */
  readonly failures: CleanupFailure[] = [];

  #start(): void {
    const now = (): number => this.nowMs;
    const cleanups = testCleanups(now, (failure) => this.failures.push(failure));
    const store = new Store({
      path: this.folder,
      sync: 'never',
      inventoryLogMax: 100,
      nowMs: this.nowMs,
      cleanups,
    });
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
    const limits = {
      uploadsMax: 8,
      uploadBytesMax: 1e6,
      uploadTtlMs: 200,
      uploadsPerNamespaceMax: 8,
      uploadBytesPerNamespaceMax: 1e6,
    };
    const uploads: Uploads = new Uploads(store.layout.uploads, limits, (bytes) => reclaimer.fit(bytes), cleanups, now);
    const models = new UploadedModels(uploads, { modelBytesMax: 1e9, externalFilesMax: 8 });
    const { bytesMax = 1e9, ingestsMax = 2, ingestQueueMax = 8 } = this.#options;
    const reclaimer: Reclaimer = new Reclaimer(
      store,
      { bytesMax, modelTtlMs: 50 },
      {
        usesOf: (key) => table.modelUses(key),
        otherBytes: () => uploads.bytes,
        reclaimed: () => undefined,
      },
    );
    const none = (): number => 0;
    const gauges = { uniqueBytes: none, unsharedBytes: none, leases: none, instances: none, ingests: none };
    const metrics = createMetrics(new Registry(), {
      ...gauges,
      mappedBytes: none,
      diskBytes: none,
      originalBytes: none,
    });
    const log = createLogger('test', 'silent');
    const ingest = new Ingest(
      { store, reclaimer, metrics, log, now, cut: (...job) => this.#cut(...job) },
      { ingestsMax, ingestQueueMax, ingestsPerNamespaceMax: 4, refusalsMax: 10, refusalTtlMs: 10 },
    );
    Object.assign(this, { store, table, uploads, ingest, reclaimer });
    this.leases = new LeaseService({
      table,
      store,
      views,
      registrations,
      sources: {
        files: async (source, _listener, tenant) =>
          models.files(source as Parameters<UploadedModels['files']>[0], tenant),
      },
      ingest,
      reclaimer,
      metrics,
      keyOf: (files: ModelFiles) => files.sha256,
      sharing: 'cluster',
      registeredOnly: false,
      now,
    });
  }

  /** Stages the files for real, and then the tensors of the model that they are. */
  async #cut({ files, stage }: CutJob, { signal, tell }: FlightControl) {
    this.ingests++;
    const input = join(stage.work, 'input');
    mkdirSync(input);
    await files.stage(input, signal);
    const error = this.cutErrors.shift();
    if (error !== undefined) throw error;
    const numbers = MODELS[KEYS.indexOf(files.sha256)] ?? [];
    for (const [index, number] of numbers.entries()) {
      await this.#step(signal);
      const file = join(stage.work, 'part');
      writeFileSync(file, TENSOR_CONTENTS[number] ?? '');
      stage.addTensor(TENSORS[number] ?? '', file);
      tell('publish', index + 1, numbers.length);
    }
    const graph = join(stage.work, 'graph');
    writeFileSync(graph, 'graph');
    stage.addGraph(graph);
    await this.#step(signal);
    const tensors = numbers.map((number) => {
      return { sha256: TENSORS[number] ?? '', bytes: TENSOR_CONTENTS[number]?.length ?? 0 };
    });
    return { tensors, graphBytes: 5 };
  }

  /** As an optimizer's process would: an abort ends it wherever it is. */
  async #step(signal: AbortSignal): Promise<void> {
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    if (!signal.aborted) await Promise.race([this.pause(), aborted]);
    signal.throwIfAborted();
  }

  /** @param hangUp the sender breaks off in the middle */
  async upload(index: number, { hangUp = false } = {}): Promise<void> {
    const file = FILES[index] ?? Buffer.alloc(0);
    async function* body(): AsyncGenerator<Buffer> {
      yield file.subarray(0, 10);
      if (hangUp) throw new Error('the sender has hung up');
      yield file.subarray(10);
    }
    await this.call(this.uploads.receive(Readable.from(body(), { objectMode: false })));
  }

  /** Asks for a lease; it is in `holders` when this resolves. */
  async lease(instance: string, index: number, abort = new AbortController()): Promise<void> {
    const modelKey = KEYS[index] ?? sha256(`unknown ${index}`);
    this.asking.add(abort);
    try {
      await this.call(
        this.leases.lease(
          {
            instance,
            namespace: 'guest',
            name: '',
            source: { kind: 'digest', sha256: modelKey, externalData: [] },
            graph: { graphOptimizationLevel: 'all', freeDimensionOverrides: {} },
          },
          { signal: abort.signal, progress: () => undefined, ended: () => this.holders.delete(abort) },
        ),
      );
      if (!abort.signal.aborted) this.holders.set(abort, { instance, modelKey });
    } finally {
      this.asking.delete(abort);
    }
  }

  hangUp(abort: AbortController | undefined): void {
    if (abort === undefined) return;
    this.holders.delete(abort);
    abort.abort();
  }

  /** Has {@link rest} wait for a call. */
  call<T>(call: Promise<T>): Promise<T> {
    this.#calls.add(call);
    void call.catch(() => undefined).finally(() => this.#calls.delete(call));
    return call;
  }

  /** Resolves when nothing is under way any more. */
  async rest(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      if (this.#calls.size > 0 || this.ingest.list().length > 0) quiet = 0;
      await Promise.allSettled([...this.#calls]);
      await nextTurn();
      await this.ingest.settled();
      await this.store.trash.emptied();
    }
  }

  /** What the sweeper does after some time. */
  async sweep(ms: number): Promise<void> {
    this.nowMs += ms;
    const { store, uploads, leases, reclaimer, nowMs } = this;
    await store.cleanups.retry(nowMs);
    uploads.expire(nowMs);
    await leases.expire(nowMs);
    await reclaimer.expire(nowMs);
  }

  /** Goes on as after a SIGKILL: with the folders as they are in this moment, and nothing else. */
  async kill(): Promise<void> {
    const before = this.folder;
    this.folder = tmpfsFolder('tetris-store-world-');
    copyTree(before, this.folder);
    await this.#forget();
    rmSync(before, { recursive: true, force: true });
    this.#start();
  }

  /** Lets what the killed one has under way run out: nobody sees what it does any more. */
  async #forget(): Promise<void> {
    this.leases.stop();
    // Calls may follow from calls.
    do {
      for (const abort of [...this.asking, ...this.holders.keys()]) abort.abort();
      await this.ingest.stop();
      await this.store.trash.emptied();
      await nextTurn();
    } while (this.#calls.size > 0);
    // Also of leases that were asked for and granted within the last turn.
    this.holders.clear();
  }

  async dispose(): Promise<void> {
    await this.#forget();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What is in `tensors/` or `models/` and not in the totals, or the other way round; empty at any time. */
  uncounted(): string[] {
    const { layout, catalog } = this.store;
    const names = new Set(readdirSync(layout.tensors));
    const faults = [...names].filter((name) => catalog.tensor(name) === undefined).map((name) => `tensor ${name}`);
    for (const { sha256: name, bytes } of catalog.tensors()) {
      if (!names.has(name)) faults.push(`tensor ${name} is counted and gone`);
      else if (statSync(layout.tensor(name)).blocks * 512 !== bytes) faults.push(`tensor ${name} is counted wrongly`);
    }
    const models = readdirSync(layout.models);
    for (const name of models) if (catalog.model(name) === undefined) faults.push(`model ${name}`);
    if (models.length !== catalog.modelCount) faults.push(`${catalog.modelCount} models are counted`);
    return faults;
  }

  /** What is wrong at rest: leavings, views without a lease, wrong link counts. */
  faults(): string[] {
    const { layout } = this.store;
    const faults = this.uncounted();
    for (const name of readdirSync(layout.scratch)) faults.push(`scratch/${name} is left`);
    const uploaded = readdirSync(layout.uploads).reduce(
      (sum, name) => sum + statSync(join(layout.uploads, name)).size,
      0,
    );
    if (uploaded !== this.uploads.bytes)
      faults.push(`uploads have ${uploaded} bytes, ${this.uploads.bytes} are counted`);
    const links = new Map<string, number>();
    for (const instance of readdirSync(layout.views)) {
      for (const view of readdirSync(layout.instanceViews(instance))) {
        if (!this.table.viewInUse({ instance, modelKey: view })) faults.push(`view ${instance}/${view} has no lease`);
        for (const name of readdirSync(layout.view(instance, view))) links.set(name, (links.get(name) ?? 0) + 1);
      }
    }
    for (const { instance, modelKey } of this.holders.values()) {
      if (!this.store.hasView(instance, modelKey)) faults.push(`lease of ${instance} on ${modelKey} has no view`);
    }
    for (const name of readdirSync(layout.tensors)) {
      if (this.store.links(name) - 1 !== (links.get(name) ?? 0)) faults.push(`tensor ${name} has wrong links`);
      if (sha256(readFileSync(layout.tensor(name))) !== name) faults.push(`tensor ${name} is torn`);
    }
    return faults;
  }
}

/** Copies a tree; names of one file stay names of one file. */
function copyTree(from: string, to: string, copies = new Map<number, string>()): void {
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    const stats = lstatSync(source);
    if (stats.isDirectory()) {
      mkdirSync(target, { recursive: true });
      copyTree(source, target, copies);
    } else if (copies.has(stats.ino)) {
      linkSync(copies.get(stats.ino) ?? '', target);
    } else {
      copyFileSync(source, target);
      copies.set(stats.ino, target);
    }
  }
}
