import { PluginError } from '@tetris/common/errors';
import { Batcher, type BatcherOptions, type Room, rowsOf, type Waiting } from '../batching/batcher';
import { inputBytes } from '../batching/join';
import { Admission } from './admission';
import type { InferenceWorker } from './inference-worker';
import { type PoolModel, PoolSession, type SessionOwner } from './pool-session';
import type { Outputs, RunInput } from './protocol';
import { trimAfterLoad, trimAtRest, trimHeap } from './trim';
import type { WorkerStarter } from './worker-starter';

/** Size and bounds of a pool. */
export interface PoolOptions extends BatcherOptions {
  /** Workers that serve runs side by side. */
  workers: number;
  starter: Pick<WorkerStarter, 'start'>;
  /**
   * Runs whose inputs are copied, because they are executed or come next; others wait with their inputs as they are.
   */
  queueMax: number;
  /** Bytes of these copies together. */
  inputBytesMax: number;
  /** Calls of unlike lengths may be padded to be joined, where a model has a mask. */
  pads: boolean;
  /** Times of the activation that calls. */
  times: () => RunTimes;
  /** One line for the user's log. */
  notice: (text: string) => void;
}

/** What a pool is told of the activation that calls, and tells it. */
export interface RunTimes {
  /** When an answer is wanted by the latency objective, epoch ms; Infinity where unknown. */
  dueMs: number;
  /** When the activation ends, answered or not; the same. */
  deadlineMs: number;
  /** Told when a run has ended. */
  onRun?: ((run: RunReport) => void) | undefined;
}

/** How one run went. */
export interface RunReport {
  /** Time before its execution began, ms. */
  waitedMs: number;
  /**
   * Requests that were executed together. 0 where that tells nothing: for all but one of them, so that an execution is
   * counted once, and where executions were repeated to be checked.
   */
  requests: number;
  /** Time of the execution, ms. */
  executionMs: number;
  /** Requests that were executed with this one, itself included. */
  batch: number;
}

interface Job {
  session: PoolSession;
  input: RunInput;
  resolve: (outputs: Outputs) => void;
  reject: (error: unknown) => void;
  onRun: RunTimes['onRun'];
}

/**
 * The inference workers of an instance. A run goes to an idle worker, one at a time each; others wait here, where they
 * are joined or given up. A worker that fails takes its own runs with it, and a new one replaces it when it is needed.
 */
export class WorkerPool implements SessionOwner {
  readonly #options: PoolOptions;
  readonly #workers = new Set<InferenceWorker>();
  /** Batches and loads that busy workers have. */
  readonly #busy = new Map<InferenceWorker, number>();
  /** When a worker's last batch ended. */
  readonly #endedMs = new WeakMap<InferenceWorker, number>();
  /** Each makes the final sessions of a worker that has quick ones, and takes its place when it has them. */
  readonly #successors = new Map<InferenceWorker, InferenceWorker>();
  /** Replaced, and still busy with their last runs. */
  readonly #retired = new Set<InferenceWorker>();
  readonly #sessions = new Map<number, PoolSession>();
  readonly #queue: Batcher<Job>;
  readonly #admission: Admission;
  /** Loads take turns; the end of the last one. */
  #loads: Promise<unknown> | undefined;
  #lastSession = 0;
  #alarm: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#queue = new Batcher(options);
    this.#admission = new Admission(options.queueMax, options.inputBytesMax);
  }

  /** Loads a model into one worker; the others load it when a run first comes to them. */
  async load(model: PoolModel): Promise<PoolSession> {
    const session = new PoolSession(this, ++this.#lastSession, model);
    const worker = this.#first();
    // It is not ended meanwhile, though another takes its place: its turn to load may be to come.
    this.#enter(worker);
    try {
      await session.quicklyLoadedIn(worker);
    } finally {
      this.#leave(worker);
      this.#dispatch();
    }
    this.#sessions.set(session.id, session);
    return session;
  }

  /** @throws what {@link InferenceWorker.call} throws; PluginError `ERR_DEADLINE` where the activation's time was up */
  async admitted<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const { deadlineMs } = this.#options.times();
    const room = this.#admission.enter(bytes);
    // Without this wait where none is needed the inputs are copied before the caller goes on.
    if (room !== undefined) await room;
    try {
      if (Date.now() >= deadlineMs) throw tooLate();
      return await work();
    } finally {
      this.#admission.leave(bytes);
    }
  }

  /** @throws as {@link admitted} */
  run(session: PoolSession, input: RunInput): Promise<Outputs> {
    return new Promise<Outputs>((resolve, reject) => {
      const shape = this.#options.rowsMax > 1 ? session.joint.joinable(input) : undefined;
      const { dueMs, deadlineMs, onRun } = this.#options.times();
      this.#queue.add({
        key: shape === undefined ? undefined : `${session.id} ${shape.key}`,
        rows: shape?.rows ?? 1,
        bytes: inputBytes(input),
        arrivedMs: Date.now(),
        dueMs,
        deadlineMs,
        value: { session, input, resolve, reject, onRun },
      });
      this.#arrived();
    });
  }

  /**
   * A load takes as much memory for a moment as its largest weight, which the allocator keeps: what earlier ones have
   * left is given back before another begins, and after the last one's first run.
   */
  loading<T>(load: () => Promise<T>): Promise<T> {
    const turn = this.#loads?.then(trimHeap).then(load) ?? load();
    this.#loads = turn.then(trimAfterLoad, trimAfterLoad);
    return turn;
  }

  get pads(): boolean {
    return this.#options.pads;
  }

  holders(session: PoolSession): InferenceWorker[] {
    const workers = [...this.#workers, ...this.#successors.values()];
    return workers.filter((worker) => worker.sessions.has(session.id));
  }

  forget({ id }: PoolSession): void {
    this.#sessions.delete(id);
  }

  notice(text: string): void {
    this.#options.notice(text);
  }

  async close(): Promise<void> {
    clearTimeout(this.#alarm);
    const workers = [...this.#workers, ...this.#successors.values(), ...this.#retired];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  /** Requests that come in one turn of the event loop are looked at together where they may be joined. */
  #arrived(): void {
    if (this.#options.rowsMax === 1) return this.#dispatch();
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    clearTimeout(this.#alarm);
    const nowMs = Date.now();
    for (const { reject } of this.#queue.takeExpired(nowMs)) {
      reject(tooLate());
    }
    for (;;) {
      const rooms = new Map<PoolSession, Room>();
      const batch = this.#queue.take(nowMs, ({ session }) => {
        // Many of those that wait are of one session.
        const room = rooms.get(session) ?? this.#roomFor(session);
        rooms.set(session, room);
        return room;
      });
      const session = batch[0]?.value.session;
      const worker = session === undefined ? undefined : (this.#idleFor(session) ?? this.#aheadFor(session));
      if (session === undefined || worker === undefined) break;
      void this.#serve(worker, session, batch);
    }
    if (this.#queue.wakeAtMs === Infinity) return;
    this.#alarm = setTimeout(() => this.#dispatch(), Math.min(Math.max(1, this.#queue.wakeAtMs - nowMs), ALARM_MS_MAX));
  }

  async #serve(worker: InferenceWorker, session: PoolSession, batch: readonly Waiting<Job>[]): Promise<void> {
    this.#enter(worker);
    const [key, jobs] = [batch[0]?.key, batch.map(({ value }) => value)];
    try {
      await session.loadedIn(worker).catch((error: unknown) => {
        // What it is loaded from may be gone: those who have it serve it alone from now on.
        if (this.holders(session).length === 0) throw error;
        session.single = true;
      });
      if (!worker.sessions.has(session.id)) return batch.forEach((request) => this.#queue.add(request));
      const [sentMs, sentAtMs] = [performance.now(), Date.now()];
      const rows = batch.map((request) => request.rows);
      const inputs = jobs.map(({ input }) => input);
      const checksBefore = session.joint.checks;
      const outcomes = await session.joint.run(key, inputs, rows, (input) => session.runIn(worker, input));
      const endMs = performance.now();
      // What was given ahead of time began when the one before it ended.
      const startMs = Math.max(sentMs, this.#endedMs.get(worker) ?? 0);
      const executionMs = endMs - startMs;
      this.#endedMs.set(worker, endMs);
      // A batch that was also run one by one tells nothing.
      const telling = session.joint.checks === checksBefore;
      if (key !== undefined && telling) this.#queue.finished(key, rowsOf(batch), executionMs);
      batch.forEach(({ arrivedMs, value }, index) => {
        const requests = telling && index === 0 ? batch.length : 0;
        value.onRun?.({
          waitedMs: sentAtMs - arrivedMs + (startMs - sentMs),
          requests,
          executionMs,
          batch: batch.length,
        });
      });
      outcomes.forEach((outcome, index) => {
        if (outcome.status === 'fulfilled') jobs[index]?.resolve(outcome.value);
        else jobs[index]?.reject(outcome.reason);
      });
    } catch (error) {
      for (const { reject } of jobs) reject(error);
    } finally {
      this.#leave(worker);
      if (session.isQuickIn(worker)) setImmediate(() => void this.#replace(worker));
      this.#dispatch();
    }
  }

  /**
   * Makes the final sessions of a worker in a new one, which takes its place. It begins when user code has had the
   * first answer, so that it does not delay it. Where it fails the old worker stays, and answers.
   */
  async #replace(worker: InferenceWorker): Promise<void> {
    if (this.#successors.has(worker) || !this.#workers.has(worker)) return;
    const successor = this.#options.starter.start(() => this.#ended(successor));
    this.#successors.set(worker, successor);
    const sessions = [...worker.sessions.keys()].flatMap((id) => this.#sessions.get(id) ?? []);
    const loaded = await Promise.allSettled(sessions.map((session) => session.loadedIn(successor)));
    this.#successors.delete(worker);
    const failed = loaded.some(({ status }, index) => status === 'rejected' && sessions[index]?.released === false);
    if (failed || successor.ended) {
      sessions.forEach((session) => session.keepQuick());
      await successor.terminate();
      return;
    }
    this.#workers.add(successor);
    this.#workers.delete(worker);
    if (this.#busy.has(worker)) this.#retired.add(worker);
    else void this.#end(worker);
    this.#dispatch();
  }

  /** Frees what a worker holds before its thread ends, so that the allocator gives it back. */
  async #end(worker: InferenceWorker): Promise<void> {
    this.#retired.delete(worker);
    await worker.call({ kind: 'end' }).catch(() => undefined);
    await worker.terminate();
    trimAtRest();
  }

  #ended(worker: InferenceWorker): void {
    this.#workers.delete(worker);
    this.#dispatch();
  }

  #enter(worker: InferenceWorker): void {
    this.#busy.set(worker, (this.#busy.get(worker) ?? 0) + 1);
  }

  #leave(worker: InferenceWorker): void {
    const others = (this.#busy.get(worker) ?? 1) - 1;
    if (others > 0) return void this.#busy.set(worker, others);
    this.#busy.delete(worker);
    if (this.#retired.has(worker)) void this.#end(worker);
  }

  #roomFor(session: PoolSession): Room {
    if (this.#idleFor(session) !== undefined) return 'idle';
    return this.#aheadFor(session) === undefined ? 'none' : 'ahead';
  }

  /** A worker that has the session for good, and one batch. */
  #aheadFor(session: PoolSession): InferenceWorker | undefined {
    const able = (worker: InferenceWorker): boolean =>
      this.#workers.has(worker) && worker.sessions.has(session.id) && !session.isQuickIn(worker);
    return [...this.#busy].find(([worker, batches]) => batches === 1 && able(worker))?.[0];
  }

  /** An idle worker: one that has the session, else any, else a new one while there may be more. */
  #idleFor(session: PoolSession): InferenceWorker | undefined {
    const holders = [...this.#workers].filter((worker) => worker.sessions.has(session.id));
    const idle = (worker: InferenceWorker): boolean => !this.#busy.has(worker);
    const holder = holders.find(idle);
    if (holder !== undefined || (session.single && holders.length > 0)) return holder;
    const other = [...this.#workers].find(idle);
    return other ?? (this.#workers.size < this.#options.workers ? this.#start() : undefined);
  }

  /** The worker with the fewest sessions. */
  #first(): InferenceWorker {
    const workers = this.#workers.size === 0 ? [this.#start()] : [...this.#workers];
    return workers.reduce((least, next) => (next.sessions.size < least.sessions.size ? next : least));
  }

  #start(): InferenceWorker {
    const worker = this.#options.starter.start(() => this.#ended(worker));
    this.#workers.add(worker);
    return worker;
  }
}

function tooLate(): PluginError {
  return new PluginError('ERR_DEADLINE', "the activation's time was up before its inference began");
}

/** Timers take no more; a later time is looked at again then. */
const ALARM_MS_MAX = 2 ** 31 - 1;
