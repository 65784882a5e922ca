import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, isPluginError } from '../errors';
import type { Logger } from '../log';

export interface RecordQueueLimits {
  /** Records waiting; further ones are dropped and counted. */
  queueRecordsMax: number;
  queueBytesMax: number;
  /** How long a record is tried. */
  recordTtlMs: number;
}

/** Stores some documents; answers with the reasons of those that were refused. Throws where none was stored. */
export type StoreBatch = (documents: unknown[]) => Promise<string[]>;

interface Waiting {
  document: unknown;
  bytes: number;
  untilMs: number;
}

/** As in the stock batcher. */
const BATCH_RECORDS_MAX = 500;
const BATCH_BYTES_MAX = 8 * 1024 ** 2;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;

/** Documents on their way to a database that may be slow or away. Adding never waits; what does not fit is counted. */
export class RecordQueue {
  readonly #store: StoreBatch;
  readonly #limits: RecordQueueLimits;
  readonly #log: Logger;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #dropped = 0;
  #draining: Promise<void> | undefined;
  readonly #giveUp = new AbortController();

  constructor(store: StoreBatch, limits: RecordQueueLimits, log: Logger) {
    this.#store = store;
    this.#limits = limits;
    this.#log = log;
  }

  /** Records that will never be in the database. */
  get dropped(): number {
    return this.#dropped;
  }

  add(document: unknown): void {
    const bytes = JSON.stringify(document).length;
    const { queueRecordsMax, queueBytesMax, recordTtlMs } = this.#limits;
    if (this.#waiting.length >= queueRecordsMax || this.#bytes + bytes > queueBytesMax)
      return this.#drop(1, 'queue full');
    this.#waiting.push({ document, bytes, untilMs: Date.now() + recordTtlMs });
    this.#bytes += bytes;
    this.#draining ??= this.#drain();
  }

  /** Resolves when everything added so far is stored or dropped. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  /** Like {@link flush}, but drops what is left after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#giveUp.abort(), timeoutMs);
    await this.flush();
    clearTimeout(timer);
  }

  async #drain(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    let retryMs = RETRY_FIRST_MS;
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      if (await this.#tryBatch(batch)) {
        retryMs = RETRY_FIRST_MS;
        continue;
      }
      this.#putBack(batch);
      await delay(retryMs, undefined, { signal: this.#giveUp.signal }).catch(() => undefined);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
    this.#draining = undefined;
  }

  #nextBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const record of this.#waiting) {
      bytes += record.bytes;
      if (count > 0 && (bytes > BATCH_BYTES_MAX || count === BATCH_RECORDS_MAX)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** False where the batch is to be tried again. */
  async #tryBatch(batch: Waiting[]): Promise<boolean> {
    try {
      const refused = await this.#store(batch.map(({ document }) => document));
      if (refused.length > 0) this.#drop(refused.length, refused[0] ?? '');
    } catch (error) {
      const isTooLarge = isPluginError(error, 'ERR_DOCUMENT_INVALID');
      if (!isTooLarge) {
        this.#log.debug({ reason: errorMessage(error), records: batch.length }, 'activation records wait');
        return false;
      }
      if (batch.length > 1) {
        for (const record of batch) if (!(await this.#tryBatch([record]))) this.#putBack([record]);
        return true;
      }
      this.#drop(1, errorMessage(error));
    }
    for (const { bytes } of batch) this.#bytes -= bytes;
    return true;
  }

  #putBack(batch: Waiting[]): void {
    const nowMs = this.#giveUp.signal.aborted ? Infinity : Date.now();
    const alive = batch.filter(({ untilMs }) => untilMs > nowMs);
    for (const { bytes, untilMs } of batch) if (untilMs <= nowMs) this.#bytes -= bytes;
    if (alive.length < batch.length) this.#drop(batch.length - alive.length, 'the database was away for too long');
    this.#waiting.unshift(...alive);
  }

  #drop(count: number, reason: string): void {
    this.#dropped += count;
    this.#log.error({ count, reason, dropped: this.#dropped }, 'activation records lost');
  }
}
