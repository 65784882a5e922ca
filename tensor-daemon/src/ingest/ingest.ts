import { mkdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  asPluginError,
  type GraphOptions,
  type IngestPhase,
  type Logger,
  PluginError,
  Semaphore,
} from '@tetris/common';
import { faultPoint } from '../fault';
import type { DaemonMetrics } from '../metrics';
import { onAbort } from '../on-abort';
import type { Reclaimer } from '../store/reclaimer';
import type { Tenant } from '../tenant';
import type { ModelFiles } from '../source/model-files';
import type { Model } from '../store/catalog';
import { GRAPH_FILE } from '../store/layout';
import { type Manifest, STORE_FORMAT } from '../store/manifest';
import type { Store } from '../store/store';
import type { WantedModel } from '../tier/tier';
import { bytesIn, withRoom } from './growth';
import { optimizeInChild } from './optimize';
import type { OptimizeJob } from './optimize-job';
import { Refusals } from './refusals';
import { publishInThread } from './publish';
import { MODEL_FOLDER, PINS_FOLDER } from './publish-tensors';
import type { Sandbox } from './sandbox';
import { verifyCut } from './verify';

/** A file system with less space than this counts as full. */
const SPACE_BYTES_MIN = 64 * 1024;

export interface IngestOptions {
  ingestsMax: number;
  ingestQueueMax: number;
  ingestsPerNamespaceMax: number;
  refusalsMax: number;
  refusalTtlMs: number;
  ingestTimeoutMs: number;
  ingestTrialMs: number;
  tensorBytesMin: number;
  graphBytesMax: number;
}

export interface IngestParts {
  store: Store;
  reclaimer: Reclaimer;
  sandbox: Sandbox;
  metrics: Pick<DaemonMetrics, 'ingestSeconds'>;
  /** Brings a model back from where it costs less than an ingest; undefined where it is nowhere. */
  restore?: (wanted: WantedModel, tell: IngestListener, signal: AbortSignal) => Promise<Model | undefined>;
  log: Logger;
}

export interface IngestRequest {
  modelKey: string;
  /** For messages and listings. */
  name: string;
  files: ModelFiles;
  graph: GraphOptions;
  /** For whom: in whose scope its tensors are, and whose limits hold. */
  tenant: Tenant;
}

export type IngestListener = (phase: IngestPhase, done: number, total: number) => void;

/** One ingest under way, and those who wait for it. */
interface Flight {
  promise: Promise<Model>;
  /** Of the one who asked first. */
  namespace: string;
  listeners: Set<IngestListener>;
  abort: AbortController;
}

/** Makes models of the store out of model files: one flight a key, whoever and however many ask for it. */
export class Ingest {
  readonly #parts: IngestParts;
  readonly #options: IngestOptions;
  readonly #slots: Semaphore;
  readonly #flights = new Map<string, Flight>();
  readonly #refusals: Refusals;

  constructor(parts: IngestParts, options: IngestOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#refusals = new Refusals(options.refusalsMax, options.refusalTtlMs, Date.now);
    this.#slots = new Semaphore(options.ingestsMax, options.ingestQueueMax);
  }

  /**
   * Joins the flight of a key, or starts it. It goes on as long as anybody waits.
   *
   * @param signal gives up waiting
   * @throws PluginError `ERR_MODEL_INVALID`, `ERR_MODEL_TOO_LARGE`, `ERR_INGEST_FAILED`,
   *   `ERR_STORE_FULL`, `ERR_QUEUE_FULL`, or what its source throws
   */
  async ingest(request: IngestRequest, onProgress: IngestListener, signal: AbortSignal): Promise<Model> {
    const flight = this.#flights.get(request.modelKey) ?? this.#start(request);
    flight.listeners.add(onProgress);
    const leave = (): void => {
      flight.listeners.delete(onProgress);
      if (flight.listeners.size > 0) return;
      // Whoever comes now begins anew.
      this.#flights.delete(request.modelKey);
      flight.abort.abort();
    };
    const forget = onAbort(signal, leave);
    try {
      return await flight.promise;
    } finally {
      forget();
    }
  }

  /** Ends all flights; resolves when their processes and folders are gone. */
  async stop(): Promise<void> {
    const flights = [...this.#flights.values()];
    for (const { abort } of flights) abort.abort();
    await Promise.allSettled(flights.map(({ promise }) => promise));
  }

  #start(request: IngestRequest): Flight {
    const { namespace } = request.tenant;
    this.#checkNamespace(namespace);
    const listeners = new Set<IngestListener>();
    const abort = new AbortController();
    const tell: IngestListener = (phase, done, total) => listeners.forEach((listener) => listener(phase, done, total));
    const promise = this.#obtain(request, tell, abort.signal).finally(() => {
      if (this.#flights.get(request.modelKey) === flight) this.#flights.delete(request.modelKey);
    });
    const flight: Flight = { promise, namespace, listeners, abort };
    this.#flights.set(request.modelKey, flight);
    return flight;
  }

  async #obtain(request: IngestRequest, tell: IngestListener, signal: AbortSignal): Promise<Model> {
    const restored = await this.#parts.restore?.(
      { modelKey: request.modelKey, scope: request.tenant.scope },
      tell,
      signal,
    );
    if (restored !== undefined) return restored;
    this.#refusals.check(request.modelKey);
    await request.files.gather?.(signal);
    return this.#slots.run(() => this.#run(request, tell, signal), signal);
  }

  /** @throws PluginError `ERR_QUEUE_FULL`: one namespace must not fill the queue of all */
  #checkNamespace(namespace: string): void {
    const { ingestsPerNamespaceMax } = this.#options;
    if (namespace === '') return;
    const own = [...this.#flights.values()].filter((flight) => flight.namespace === namespace).length;
    if (own < ingestsPerNamespaceMax) return;
    throw new PluginError('ERR_QUEUE_FULL', `${own} models of the namespace are being ingested or wait for it`, {
      retriable: true,
    });
  }

  async #run(
    { modelKey, name, files, graph, tenant }: IngestRequest,
    tell: IngestListener,
    signal: AbortSignal,
  ): Promise<Model> {
    const startMs = performance.now();
    const { tensorBytesMin, graphBytesMax, ingestTimeoutMs, ingestTrialMs } = this.#options;
    const { store, reclaimer, sandbox, metrics, log } = this.#parts;
    const { layout, sync } = store;
    signal.throwIfAborted();
    // What is saved is at least about as large as the model; the exact size is known after optimizing.
    const room = await reclaimer.reserve(files.bytes);
    const scratch = store.newScratch();
    faultPoint('ingest:begun');
    try {
      const input = join(scratch.path, 'input');
      mkdirSync(input);
      const modelPath = await files.stage(input, signal);
      faultPoint('ingest:staged');
      tell('optimize', 0, files.bytes);
      const run = ingestTrialMs > 0;
      const job: OptimizeJob = { modelPath, outputFolder: scratch.path, graph, tensorBytesMin, run };
      const limits = { timeoutMs: ingestTimeoutMs, signal, ...(run && { afterFirstLineMs: ingestTrialMs }) };
      const original = await withRoom(scratch.path, room, files.bytes, (full) =>
        optimizeInChild(job, sandbox, { ...limits, signal: AbortSignal.any([signal, full]) }),
      );
      faultPoint('ingest:optimized');
      await files.verify();
      await room.resize(bytesIn(scratch.path));
      const tensors = await publishInThread(
        {
          scratch: scratch.path,
          tensorsFolder: layout.tensors,
          tensorBytesMin,
          graphBytesMax,
          inputNames: original.interface.inputs.map((input) => input.name),
          sync,
          scope: tenant.scope,
        },
        (done, total) => tell('publish', done, total),
        signal,
      );
      faultPoint('ingest:cut');
      const folder = join(scratch.path, MODEL_FOLDER);
      const cut = {
        graph: join(folder, GRAPH_FILE),
        tensors: tensors.map(({ sha256 }) => join(scratch.path, PINS_FOLDER, sha256)),
        tensorBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
      };
      await verifyCut(cut, original, job, sandbox, limits);
      const ingestMs = performance.now() - startMs;
      const graphBytes = statSync(join(folder, GRAPH_FILE)).size;
      const manifest: Manifest = {
        format: STORE_FORMAT,
        modelKey,
        name,
        source: files.sha256,
        ...(tenant.scope !== '' && { scope: tenant.scope }),
        ingestMs,
        graphBytes,
        tensors,
      };
      // From here to the end nothing waits, so room and catalog change together.
      room.release();
      const model = store.publishModel(folder, join(scratch.path, PINS_FOLDER), manifest);
      metrics.ingestSeconds.observe(ingestMs / 1000);
      log.info({ modelKey, name, ingestMs: Math.round(ingestMs), tensors: tensors.length }, 'model ingested');
      return model;
    } catch (error) {
      const known = asPluginError(this.#hasSpace() ? error : noSpace(error));
      if (!signal.aborted) this.#refuse(modelKey, name, known);
      throw known;
    } finally {
      room.release();
      scratch.remove();
    }
  }

  /** Remembers why a model cannot be ingested, and logs why it is not shared. */
  #refuse(modelKey: string, name: string, error: PluginError): void {
    this.#refusals.note(modelKey, error);
    if (error.code !== 'ERR_MODEL_UNSHAREABLE') return;
    const { reason } = error.fields;
    this.#parts.log.warn({ modelKey, name, reason, detail: error.message }, 'model not shared');
  }

  /** Whether the store's file system has any space left: onnxruntime's own error for that says little. */
  #hasSpace(): boolean {
    const { bavail, bsize } = statfsSync(this.#parts.store.layout.root);
    return bavail * bsize >= SPACE_BYTES_MIN;
  }
}

function noSpace(cause: unknown): PluginError {
  return new PluginError('ERR_STORE_FULL', 'no space is left on the file system of the store', {
    retriable: true,
    cause,
  });
}
