/** When requests that wait for a worker are run, and which of them together. Time is passed in, epoch ms. */
import { isTimely } from '@tetris/common/clock';
import { Pace, type PaceOptions } from './pace';

/** A request that waits. */
export interface Waiting<T> {
  /** Requests of the same key can be joined; undefined for one that runs alone. */
  key: string | undefined;
  /** Size of its batch axis, 1 or more; a request may bring several. */
  rows: number;
  /** Of its inputs. */
  bytes: number;
  arrivedMs: number;
  /** When it should be answered, by the latency objective. Infinity where there is none. */
  dueMs: number;
  /** When its activation is given up: it is not run after that. Infinity where unknown. */
  deadlineMs: number;
  value: T;
}

export interface BatcherOptions {
  /** Rows of a joint run at most; 1 turns joining off. A request that brings more runs alone. */
  rowsMax: number;
  /** Inputs of a joint run at most, bytes: they are copied to be joined. */
  bytesMax: number;
  /** Longest wait for mates while a worker is idle, ms. */
  waitMs: number;
  pace: PaceOptions;
}

/** Whether a request can be run: by an idle worker, after the run that is under way in one, or not yet. */
export type Room = 'idle' | 'ahead' | 'none';

/** Keys whose pace is remembered; the least recently new one is forgotten first. */
const KEYS_MAX = 256;

/** Of all of them together. */
export const rowsOf = (batch: readonly Waiting<unknown>[]): number =>
  batch.reduce((total, { rows }) => total + rows, 0);

/**
 * The queue in front of the workers. What is due first goes first, then what came first; who cannot be in time any more
 * goes behind all that can, the newest first, as in every stage before (decision 0024).
 *
 * While every worker is busy, requests gather by themselves. With an idle worker a request is held back only where that
 * can pay: its batch is not full, a mate is likely to come (at the pace at which they came lately) within `waitMs` and
 * before the worker has idled away what joining it saves, and the first of the batch is still answered by its due time
 * after it has waited. A batch that is held back does not hold back requests of other
 * keys. A batch of several that is full is given to a busy worker ahead of time, so that it is joined, and the one
 * before it cut apart, while the worker computes.
 */
export class Batcher<T> {
  readonly #options: BatcherOptions;
  readonly #paces = new Map<string, Pace>();
  #waiting: Waiting<T>[] = [];
  #wakeAtMs = Infinity;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** Requests that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** When {@link take} may have something to give although nothing else happened; Infinity for never. */
  get wakeAtMs(): number {
    return Math.min(this.#wakeAtMs, ...this.#waiting.map(({ deadlineMs }) => deadlineMs));
  }

  /** The caller bounds the number of requests by {@link length}. */
  add(request: Waiting<T>): void {
    this.#waiting.push(request);
    if (request.key !== undefined) this.#pace(request.key).arrived(request.arrivedMs, this.#options.waitMs);
  }

  /** Takes out the requests whose deadline has passed. */
  takeExpired(nowMs: number): T[] {
    const expired = this.#waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    if (expired.length > 0) this.#remove(expired);
    return expired.map(({ value }) => value);
  }

  /**
   * Takes out the next request to be run now, with those to be joined to it; empty where there is none.
   *
   * @param roomFor looked at anew for each request
   */
  take(nowMs: number, roomFor: (value: T) => Room): Waiting<T>[] {
    this.#wakeAtMs = Infinity;
    const seen = new Set<string>();
    // Nothing overtakes the first that waits for a busy worker.
    let aheadOfAll = true;
    const line = this.#inTurn(nowMs);
    for (const head of line) {
      const { key } = head;
      if (key !== undefined && seen.has(key)) continue;
      if (key !== undefined) seen.add(key);
      const room = roomFor(head.value);
      if (room === 'ahead' && aheadOfAll && key !== undefined) {
        const ahead = this.#batchOf(line, head, key, nowMs + this.#pace(key).runs.meanMs(this.#options.rowsMax));
        if (ahead.full && ahead.batch.length > 1) return this.#taken(ahead.batch);
      }
      if (room !== 'idle') {
        aheadOfAll = false;
        continue;
      }
      if (key === undefined) return this.#taken([head]);
      const { batch, full } = this.#batchOf(line, head, key, nowMs);
      const untilMs = full ? nowMs : this.#holdUntil(batch, key, nowMs);
      if (untilMs <= nowMs) return this.#taken(batch);
      this.#wakeAtMs = Math.min(this.#wakeAtMs, untilMs);
    }
    return [];
  }

  /** Learns how long a run took. One of more rows than are ever joined tells nothing of joining. */
  finished(key: string, rows: number, executionMs: number): void {
    if (rows <= this.#options.rowsMax) this.#pace(key).runs.ran(rows, executionMs);
  }

  /** Those that wait in the order in which they go. */
  #inTurn(nowMs: number): Waiting<T>[] {
    const isLate = ({ key, rows, dueMs }: Waiting<T>): boolean =>
      !isTimely(nowMs, 0, key === undefined ? 0 : this.#pace(key).runs.tailMs(rows), dueMs);
    const late = this.#waiting.filter(isLate).reverse();
    const timely = this.#waiting.filter((request) => !isLate(request));
    return [...timely.sort((one, other) => (one.dueMs === other.dueMs ? 0 : one.dueMs - other.dueMs)), ...late];
  }

  /**
   * The first request and those after it that are worth joining to it; full where one more would not fit, or is not
   * worth it.
   * @param line those that wait, in turn
   * @param startMs when they begin
   */
  #batchOf(
    line: readonly Waiting<T>[],
    head: Waiting<T>,
    key: string,
    startMs: number,
  ): { batch: Waiting<T>[]; full: boolean } {
    const { rowsMax, bytesMax } = this.#options;
    const pace = this.#pace(key);
    const fitting = this.#fitting(line, head, key, startMs);
    const rows = rowsOf(fitting);
    let left = pace.rowsWorth(rows);
    const beyond = fitting.findIndex((request) => (left -= request.rows) < 0);
    if (beyond >= 0) return { batch: fitting.slice(0, Math.max(1, beyond)), full: true };
    const bytes = fitting.reduce((total, request) => total + request.bytes, 0);
    const noRoom = rows >= rowsMax || bytes + bytes / fitting.length > bytesMax;
    return { batch: fitting, full: noRoom || pace.rowsWorth(rows + 1) <= rows };
  }

  /** The first request and those after it that fit beside it without making it late. */
  #fitting(line: readonly Waiting<T>[], head: Waiting<T>, key: string, startMs: number): Waiting<T>[] {
    const { runs } = this.#pace(key);
    const { dueMs } = head;
    // Where the first is late anyway, the others are served best by the largest batch.
    const isLost = !isTimely(startMs, 0, runs.tailMs(head.rows), dueMs);
    const batch = [head];
    let { rows, bytes } = head;
    for (const next of line) {
      if (next === head || next.key !== key) continue;
      rows += next.rows;
      bytes += next.bytes;
      const fitsInTime = isLost || isTimely(startMs, 0, runs.tailMs(rows), dueMs);
      if (rows > this.#options.rowsMax || bytes > this.#options.bytesMax || !fitsInTime) break;
      batch.push(next);
    }
    return batch;
  }

  /** How long to hold a batch back; `nowMs` for not at all. */
  #holdUntil(batch: readonly Waiting<T>[], key: string, nowMs: number): number {
    const { waitMs } = this.#options;
    const rows = rowsOf(batch);
    const oldestMs = Math.min(...batch.map(({ arrivedMs }) => arrivedMs));
    const dueMs = Math.min(...batch.map((request) => Math.min(request.dueMs, request.deadlineMs)));
    const pace = this.#pace(key);
    const payingMs = Math.min(waitMs, pace.savedMs(rows));
    const untilMs = Math.min(oldestMs + payingMs, dueMs - pace.runs.tailMs(rows + 1));
    return untilMs <= nowMs ? nowMs : pace.worthUntil(nowMs, untilMs);
  }

  #pace(key: string): Pace {
    const known = this.#paces.get(key);
    if (known !== undefined) return known;
    const pace = new Pace(this.#options.pace);
    this.#paces.set(key, pace);
    const [oldest] = this.#paces.keys();
    if (this.#paces.size > KEYS_MAX && oldest !== undefined) this.#paces.delete(oldest);
    return pace;
  }

  #taken(batch: Waiting<T>[]): Waiting<T>[] {
    this.#remove(batch);
    return batch;
  }

  #remove(gone: readonly Waiting<T>[]): void {
    const out = new Set(gone);
    this.#waiting = this.#waiting.filter((request) => !out.has(request));
  }
}
