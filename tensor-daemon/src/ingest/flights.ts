import { randomBytes } from 'node:crypto';
import { type IngestPhase, type IngestRow, PluginError } from '@tetris/common';

export type IngestListener = (phase: IngestPhase, done: number, total: number) => void;

/** What is under way, for listings and limits. */
export interface FlightSubject {
  modelKey: string;
  name: string;
  /** Of the one who asked first; empty where nobody vouches for one. */
  namespace: string;
}

/** What the work of a flight is given. */
export interface FlightControl {
  /** Aborted when nobody waits any more, an operator ends it, or the daemon stops. */
  readonly signal: AbortSignal;
  /** Passes progress on to all who wait. */
  readonly tell: IngestListener;
}

interface Flight {
  readonly row: IngestRow;
  readonly abort: AbortController;
  /** Each an object of its own: two may have the same listener. */
  readonly waiters: Set<{ listener: IngestListener }>;
  /** Settles with the work, or at once when the flight is aborted. */
  readonly result: Promise<unknown>;
}

/**
 * One piece of work a model, whoever and however many wait for it. It goes on as long as anybody waits. A flight that
 * is aborted is gone from lists and limits at once; {@link stop} waits until its work has ended too.
 */
export class Flights<T> {
  readonly #perNamespaceMax: number;
  readonly #now: () => number;
  readonly #flights = new Map<string, Flight>();
  /** Work that has not ended, that of aborted flights included. */
  readonly #working = new Set<Promise<unknown>>();

  constructor(perNamespaceMax: number, now: () => number) {
    this.#perNamespaceMax = perNamespaceMax;
    this.#now = now;
  }

  /**
   * Joins the flight of a model, or starts it.
   *
   * @param signal ends the wait, with its reason; the flight ends when nobody is left
   * @throws PluginError `ERR_QUEUE_FULL` where the namespace has too many, or what the work throws
   */
  async join(
    subject: FlightSubject,
    work: (control: FlightControl) => Promise<T>,
    listener: IngestListener,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    const flight = this.#flights.get(subject.modelKey) ?? this.#start(subject, work);
    return this.#wait(flight, listener, signal);
  }

  list(): IngestRow[] {
    return [...this.#flights.values()].map(({ row, waiters }) => ({ ...row, waiting: waiters.size }));
  }

  /** Ends a flight for all who wait. @returns whether there was one */
  abort(ingestId: string, reason: PluginError): boolean {
    const flight = [...this.#flights.values()].find(({ row }) => row.ingestId === ingestId);
    if (flight !== undefined) this.#end(flight, reason);
    return flight !== undefined;
  }

  /** Ends all flights; resolves when nothing of their work is left. */
  async stop(): Promise<void> {
    const reason = new PluginError('ERR_DAEMON_UNAVAILABLE', 'the tensor daemon stops', { retriable: true });
    for (const flight of [...this.#flights.values()]) this.#end(flight, reason);
    await this.settled();
  }

  /** Resolves when the work of all flights has ended, that of aborted ones included. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#working);
  }

  #start(subject: FlightSubject, work: (control: FlightControl) => Promise<T>): Flight {
    this.#checkNamespace(subject.namespace);
    const abort = new AbortController();
    const { signal } = abort;
    const ingestId = randomBytes(6).toString('hex');
    const row: IngestRow = {
      ...subject,
      ingestId,
      phase: 'queued',
      done: 0,
      total: 0,
      waiting: 0,
      sinceMs: this.#now(),
    };
    const waiters: Flight['waiters'] = new Set();
    const tell: IngestListener = (phase, done, total) => {
      Object.assign(row, { phase, done, total });
      for (const { listener } of waiters) listener(phase, done, total);
    };
    const working = work({ signal, tell });
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    const flight: Flight = { row, abort, waiters, result: Promise.race([working, aborted]) };
    this.#flights.set(subject.modelKey, flight);
    this.#working.add(working);
    void Promise.allSettled([flight.result]).then(() => this.#forget(flight));
    void Promise.allSettled([working]).then(() => this.#working.delete(working));
    return flight;
  }

  #wait(flight: Flight, listener: IngestListener, signal: AbortSignal): Promise<T> {
    const waiter = { listener };
    flight.waiters.add(waiter);
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason as Error);
        flight.waiters.delete(waiter);
        if (flight.waiters.size === 0) this.#end(flight, new PluginError('ERR_INGEST_FAILED', 'nobody waits for it'));
      };
      signal.addEventListener('abort', leave, { once: true });
      (flight.result as Promise<T>).finally(() => signal.removeEventListener('abort', leave)).then(resolve, reject);
    });
  }

  #end(flight: Flight, reason: PluginError): void {
    this.#forget(flight);
    flight.abort.abort(reason);
  }

  /** Whoever comes from now on begins anew. */
  #forget(flight: Flight): void {
    if (this.#flights.get(flight.row.modelKey) === flight) this.#flights.delete(flight.row.modelKey);
  }

  /** @throws PluginError `ERR_QUEUE_FULL`: one namespace must not fill the queue of all */
  #checkNamespace(namespace: string): void {
    if (namespace === '') return;
    const own = [...this.#flights.values()].filter(({ row }) => row.namespace === namespace).length;
    if (own < this.#perNamespaceMax) return;
    throw new PluginError('ERR_QUEUE_FULL', `${own} models of the namespace are being ingested or wait for it`, {
      retriable: true,
    });
  }
}
