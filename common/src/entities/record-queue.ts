import { errorMessage, isPluginError } from '../errors';
import { pauseMs } from '../flow/backoff';
import { type Clock, SYSTEM_CLOCK } from '../flow/clock';
import { untilAborted } from '../flow/until-aborted';
import type { Logger } from '../log';

export interface RecordQueueLimits {
  /** Records waiting; further ones are dropped and counted. */
  queueRecordsMax: number;
  queueBytesMax: number;
  /** How long a record is tried. */
  recordTtlMs: number;
}

/** What became of one document: it may be tried again, or was refused for this reason and always will be. */
export type Stored = 'stored' | 'again' | { refused: string };

/** Stores some documents and answers for each, in their order. Throws where none was stored. */
export type StoreBatch = (documents: unknown[], signal: AbortSignal) => Promise<Stored[]>;

interface Waiting {
  document: unknown;
  bytes: number;
  untilMs: number;
}

/** As in the stock batcher. */
const BATCH_RECORDS_MAX = 500;
const BATCH_BYTES_MAX = 8 * 1024 ** 2;
const BACKOFF = { firstMs: 100, maxMs: 5_000 };

/** Documents on their way to a database that may be slow or away. Adding never waits; what does not fit is counted. */
export class RecordQueue {
  readonly #store: StoreBatch;
  readonly #limits: RecordQueueLimits;
  readonly #log: Logger;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #dropped = 0;
  #draining: Promise<void> | undefined;
  readonly #ending = new AbortController();

  constructor(store: StoreBatch, limits: RecordQueueLimits, log: Logger, clock = SYSTEM_CLOCK) {
    this.#store = store;
    this.#limits = limits;
    this.#log = log;
    this.#clock = clock;
  }

  /** Records that will never be in the database. */
  get dropped(): number {
    return this.#dropped;
  }

  add(document: unknown): void {
    const bytes = JSON.stringify(document).length;
    const { queueRecordsMax, queueBytesMax, recordTtlMs } = this.#limits;
    if (this.#ending.signal.aborted) return this.#drop(1, 'the queue is closed');
    const full = this.#waiting.length >= queueRecordsMax || this.#bytes + bytes > queueBytesMax;
    if (full) return this.#drop(1, 'queue full');
    this.#waiting.push({ document, bytes, untilMs: this.#clock.now() + recordTtlMs });
    this.#bytes += bytes;
    this.#draining ??= this.#drain();
  }

  /** Resolves when everything added so far is stored or dropped. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  /** Like {@link flush}, but ends after `timeoutMs`: what is not known to be stored then is dropped. */
  async close(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#ending.abort(), timeoutMs);
    await this.flush();
    clearTimeout(timer);
    this.#ending.abort();
  }

  async #drain(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const { signal } = this.#ending;
    for (let failures = 0; this.#waiting.length > 0;) {
      const again = await this.#tryBatch(this.#nextBatch());
      this.#putBack(again);
      failures = again.length === 0 ? 0 : failures + 1;
      if (failures === 0 || this.#waiting.length === 0) continue;
      await this.#clock.sleep(pauseMs(BACKOFF, failures, this.#clock.random), signal).catch(() => undefined);
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

  /** @returns those that are to be tried again */
  async #tryBatch(batch: Waiting[]): Promise<Waiting[]> {
    const { signal } = this.#ending;
    if (signal.aborted) return batch;
    let outcomes: Stored[];
    try {
      const storing = this.#store(
        batch.map(({ document }) => document),
        signal,
      );
      outcomes = await untilAborted(storing, signal);
    } catch (error) {
      const text = errorMessage(error);
      if (!isPluginError(error, 'ERR_DOCUMENT_INVALID')) {
        this.#log.debug({ reason: text, records: batch.length }, 'activation records wait');
        return batch;
      }
      if (batch.length > 1) return this.#trySingly(batch);
      outcomes = [{ refused: text }];
    }
    const refused = outcomes.flatMap((outcome) => (typeof outcome === 'object' ? outcome.refused : []));
    if (refused.length > 0) this.#drop(refused.length, refused[0] ?? '');
    const again = batch.filter((_record, index) => outcomes[index] === 'again');
    this.#bytes -= bytesOf(batch) - bytesOf(again);
    return again;
  }

  /** All together they are refused for their size, or for one of them. Ends where the database does not answer. */
  async #trySingly(batch: Waiting[]): Promise<Waiting[]> {
    for (const [index, record] of batch.entries()) {
      const again = await this.#tryBatch([record]);
      if (again.length > 0) return batch.slice(index);
    }
    return [];
  }

  /** To the front, in their order; those whose time is up are dropped. */
  #putBack(batch: Waiting[]): void {
    const nowMs = this.#ending.signal.aborted ? Infinity : this.#clock.now();
    const alive = batch.filter(({ untilMs }) => untilMs > nowMs);
    const lost = batch.length - alive.length;
    this.#bytes -= bytesOf(batch) - bytesOf(alive);
    if (lost > 0) this.#drop(lost, 'the database was away for too long');
    this.#waiting.unshift(...alive);
  }

  #drop(count: number, reason: string): void {
    this.#dropped += count;
    this.#log.error({ count, reason, dropped: this.#dropped }, 'activation records lost');
  }
}

const bytesOf = (records: readonly Waiting[]): number => records.reduce((sum, { bytes }) => sum + bytes, 0);
