import { statfsSync } from 'node:fs';
import { asPluginError, type GraphOptions, type IngestRow, type Logger, PluginError, Semaphore } from '@tetris/common';
import { faultPoint } from '../fault';
import type { DaemonMetrics } from '../metrics';
import type { ModelFiles } from '../source/model-files';
import type { Model } from '../store/catalog';
import { type Manifest, STORE_FORMAT } from '../store/manifest';
import type { Reclaimer, Reservation } from '../store/reclaimer';
import type { Store } from '../store/store';
import type { Tenant } from '../tenant';
import type { WantedModel } from '../tier/tier';
import type { Cut } from './cut-model';
import { type FlightControl, Flights, type IngestListener } from './flights';
import { Refusals } from './refusals';

/** A file system with less space than this counts as full. */
const SPACE_BYTES_MIN = 64 * 1024;

export interface IngestOptions {
  ingestsMax: number;
  ingestQueueMax: number;
  ingestsPerNamespaceMax: number;
  refusalsMax: number;
  refusalTtlMs: number;
}

export interface IngestParts {
  store: Store;
  reclaimer: Reclaimer;
  cut: Cut;
  metrics: Pick<DaemonMetrics, 'ingestSeconds'>;
  /** Brings a model back from where it costs less than an ingest; undefined where it is nowhere. */
  restore?: (wanted: WantedModel, control: FlightControl) => Promise<Model | undefined>;
  log: Logger;
  now: () => number;
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

/** Makes models of the store out of model files: one flight a key, whoever and however many ask for it. */
export class Ingest {
  readonly #parts: IngestParts;
  readonly #turns: Semaphore;
  readonly #flights: Flights<Model>;
  readonly #refusals: Refusals;

  constructor(parts: IngestParts, options: IngestOptions) {
    this.#parts = parts;
    this.#turns = new Semaphore(options.ingestsMax, options.ingestQueueMax);
    this.#flights = new Flights(options.ingestsPerNamespaceMax, parts.now);
    this.#refusals = new Refusals(options.refusalsMax, options.refusalTtlMs, parts.now);
  }

  /**
   * Joins the flight of a key, or starts it. It goes on as long as anybody waits.
   *
   * @param signal gives up waiting
   * @throws PluginError `ERR_MODEL_INVALID`, `ERR_MODEL_TOO_LARGE`, `ERR_INGEST_FAILED`,
   *   `ERR_STORE_FULL`, `ERR_QUEUE_FULL`, what its source throws, or the signal's reason
   */
  async ingest(request: IngestRequest, onProgress: IngestListener, signal: AbortSignal): Promise<Model> {
    const { modelKey, name, tenant } = request;
    const subject = { modelKey, name, namespace: tenant.namespace };
    return this.#flights.join(subject, (control) => this.#obtain(request, control), onProgress, signal);
  }

  /** What is under way or waits for its turn. */
  list(): IngestRow[] {
    return this.#flights.list();
  }

  /** Ends an ingest for all who wait. @throws PluginError `ERR_INGEST_UNKNOWN` */
  abort(ingestId: string): void {
    const reason = new PluginError('ERR_INGEST_FAILED', 'its ingest was aborted by an operator');
    if (this.#flights.abort(ingestId, reason)) return;
    throw new PluginError('ERR_INGEST_UNKNOWN', `there is no ingest '${ingestId}'`);
  }

  /** Ends all flights; resolves when their processes and folders are gone. */
  async stop(): Promise<void> {
    await this.#flights.stop();
  }

  /** Resolves when nothing is under way, nor left of what was aborted. */
  async settled(): Promise<void> {
    await this.#flights.settled();
  }

  async #obtain(request: IngestRequest, control: FlightControl): Promise<Model> {
    const { modelKey, tenant, files } = request;
    const restored = await this.#parts.restore?.({ modelKey, scope: tenant.scope }, control);
    if (restored !== undefined) return restored;
    this.#refusals.check(modelKey);
    await files.gather?.(control.signal);
    return this.#turns.run(() => this.#run(request, control), control.signal);
  }

  async #run(request: IngestRequest, control: FlightControl): Promise<Model> {
    const startMs = performance.now();
    const { store, reclaimer, cut, metrics, log } = this.#parts;
    const { modelKey, name, files } = request;
    const stage = store.stage();
    faultPoint('ingest:begun');
    let room: Reservation | undefined;
    try {
      // What is saved is at least about as large as the model; the exact size is known after optimizing.
      room = await reclaimer.reserve(files.bytes);
      const { tensors, graphBytes } = await cut({ ...request, stage, room }, control);
      control.signal.throwIfAborted();
      const ingestMs = performance.now() - startMs;
      const model = stage.commit({ ...manifestOf(request), ingestMs, graphBytes, tensors });
      // Nothing has waited since the commit, so room and catalog change together.
      room.release();
      metrics.ingestSeconds.observe(ingestMs / 1000);
      log.info({ modelKey, name, ingestMs: Math.round(ingestMs), tensors: tensors.length }, 'model ingested');
      return model;
    } catch (error) {
      const known = asPluginError(this.#hasSpace() ? error : noSpace(error));
      if (!control.signal.aborted) this.#refuse(modelKey, name, known);
      throw known;
    } finally {
      await stage.abort();
      room?.release();
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

function manifestOf({
  modelKey,
  name,
  files,
  tenant: { scope },
}: IngestRequest): Pick<Manifest, 'format' | 'modelKey' | 'name' | 'source' | 'scope'> {
  return { format: STORE_FORMAT, modelKey, name, source: files.sha256, ...(scope !== '' && { scope }) };
}

function noSpace(cause: unknown): PluginError {
  return new PluginError('ERR_STORE_FULL', 'no space is left on the file system of the store', {
    retriable: true,
    cause,
  });
}
