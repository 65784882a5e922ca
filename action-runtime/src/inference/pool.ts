import { PluginError } from '@tetris/common/errors';
import type { InferenceSession } from 'onnxruntime-common';
import { InferenceWorker } from './inference-worker';
import type { ModelFile, Outputs, RunRequest, SessionInfo } from './protocol';
import { buffersOf } from './tensors';

/** Size and bounds of a pool. */
export interface PoolOptions {
  /** Workers that serve runs side by side. */
  workers: number;
  /** JavaScript heap of each, MiB. */
  heapMax: number;
  /** Runs that wait for a worker; one more is refused with `ERR_QUEUE_FULL`. */
  queueMax: number;
}

/** A model to be loaded in as many workers as its runs need. */
export interface PoolModel {
  /** Where its file is now; asked again for each worker that loads it. */
  locate: () => Promise<ModelFile>;
  options: InferenceSession.SessionOptions;
  logLevel: string | undefined;
  /** True where one worker must serve it alone: a private copy is not paid once per worker. */
  single: boolean;
}

/** A run without its session. */
export type RunInput = Pick<RunRequest, 'feeds' | 'fetches' | 'options'>;

interface Job {
  session: PoolSession;
  input: RunInput;
  resolve: (outputs: Outputs) => void;
  reject: (error: unknown) => void;
}

/**
 * The inference workers of an instance. A run goes to an idle worker, one at a time each; others wait here, in order,
 * where they can still be joined or given up. A worker that fails takes its own runs with it, and a new one replaces
 * it when it is needed.
 */
export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #workers = new Set<InferenceWorker>();
  readonly #busy = new Set<InferenceWorker>();
  #queue: Job[] = [];
  #lastSession = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Starts the first worker, so that the first model does not wait for it; resolves when it can load one. */
  async warm(): Promise<void> {
    await this.#first().call({ kind: 'greet' });
  }

  /** Loads a model into one worker; the others load it when a run first comes to them. */
  async load(model: PoolModel): Promise<PoolSession> {
    const session = new PoolSession(this, ++this.#lastSession, model);
    await session.loadedIn(this.#first());
    return session;
  }

  /** @throws what {@link InferenceWorker.call} throws; PluginError `ERR_QUEUE_FULL` (retriable) */
  run(session: PoolSession, input: RunInput): Promise<Outputs> {
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= this.#options.queueMax) {
        const text = `${this.#queue.length} inference requests wait already`;
        reject(new PluginError('ERR_QUEUE_FULL', text, { retriable: true }));
        return;
      }
      this.#queue.push({ session, input, resolve, reject });
      this.#dispatch();
    });
  }

  /** The workers that have a session. */
  holders(session: PoolSession): InferenceWorker[] {
    return [...this.#workers].filter((worker) => worker.sessions.has(session.id));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  #dispatch(): void {
    const waiting: Job[] = [];
    for (const job of this.#queue) {
      const worker = this.#idleFor(job.session);
      if (worker === undefined) waiting.push(job);
      else void this.#serve(worker, job);
    }
    this.#queue = waiting;
  }

  async #serve(worker: InferenceWorker, { session, input, resolve, reject }: Job): Promise<void> {
    this.#busy.add(worker);
    try {
      await session.loadedIn(worker);
      resolve(await session.runIn(worker, input));
    } catch (error) {
      reject(error);
    } finally {
      this.#busy.delete(worker);
      this.#dispatch();
    }
  }

  /** An idle worker: one that has the session, else any, else a new one while there may be more. */
  #idleFor(session: PoolSession): InferenceWorker | undefined {
    const holders = this.holders(session);
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
    const worker = new InferenceWorker(this.#options.heapMax, () => {
      this.#workers.delete(worker);
      this.#dispatch();
    });
    this.#workers.add(worker);
    return worker;
  }
}

/** A model in a pool. */
export class PoolSession {
  readonly id: number;
  readonly single: boolean;
  readonly #pool: WorkerPool;
  readonly #model: PoolModel;
  #info: SessionInfo | undefined;
  #released = false;

  constructor(pool: WorkerPool, id: number, model: PoolModel) {
    this.id = id;
    this.single = model.single;
    this.#pool = pool;
    this.#model = model;
  }

  get info(): SessionInfo {
    if (this.#info === undefined) throw new Error('the session is not loaded');
    return this.#info;
  }

  run(input: RunInput): Promise<Outputs> {
    if (this.#released) return Promise.reject(new Error('Session already disposed.'));
    return this.#pool.run(this, input);
  }

  async endProfiling(): Promise<void> {
    await Promise.all(
      this.#pool.holders(this).map((worker) => worker.call({ kind: 'endProfiling', sessionId: this.id })),
    );
  }

  /** Frees the session in every worker. @throws Error with stock's text when called twice */
  async release(): Promise<void> {
    if (this.#released) throw new Error('Session already disposed.');
    this.#released = true;
    await Promise.all(
      this.#pool.holders(this).map(async (worker) => {
        await worker.call({ kind: 'release', sessionId: this.id });
        worker.sessions.delete(this.id);
      }),
    );
  }

  /** Resolves when a worker has the session, which is loaded there at the first call. */
  loadedIn(worker: InferenceWorker): Promise<unknown> {
    if (this.#released) return Promise.reject(new Error('Session already disposed.'));
    const earlier = worker.sessions.get(this.id);
    if (earlier !== undefined) return earlier;
    const loading = this.#load(worker);
    worker.sessions.set(this.id, loading);
    loading.catch(() => worker.sessions.delete(this.id));
    return loading;
  }

  async runIn(worker: InferenceWorker, { feeds, fetches, options }: RunInput): Promise<Outputs> {
    const fed = Object.values(feeds).flatMap((value) => ('tensor' in value ? [value.tensor] : []));
    const given = Object.values(fetches).filter((tensor) => tensor !== null);
    const request: RunRequest = { kind: 'run', sessionId: this.id, feeds, fetches, options };
    const reply = await worker.call(request, buffersOf([...fed, ...given]));
    return (reply as { outputs: Outputs }).outputs;
  }

  async #load(worker: InferenceWorker): Promise<void> {
    const { options, logLevel, locate } = this.#model;
    const reply = await worker.call({ kind: 'load', sessionId: this.id, file: await locate(), options, logLevel });
    this.#info = (reply as { info: SessionInfo }).info;
  }
}
