import type { InferenceSession } from 'onnxruntime-common';
import { JointRuns } from '../batching/joint-runs';
import type { InferenceWorker } from './inference-worker';
import type { ModelFile, Outputs, RunInput, RunRequest, SessionInfo } from './protocol';
import { buffersOf } from './tensors';

/** A model to be loaded in as many workers as its runs need. */
export interface PoolModel {
  /** What the user called it. */
  name: string;
  /** Where its file is now; asked again for each worker that loads it. */
  locate: () => Promise<ModelFile>;
  options: InferenceSession.SessionOptions;
  /**
   * Options of a session that is ready sooner and runs slower. It answers first, while one with `options` is made in
   * another worker. Undefined for a model that is loaded once and for all.
   */
  quickOptions?: InferenceSession.SessionOptions | undefined;
  /** Options of the session that answers first after the model had been put to sleep; likewise. */
  wakeOptions?: InferenceSession.SessionOptions | undefined;
  /** True where one worker must serve it alone: a private copy is not paid once per worker. */
  single: boolean;
}

/** What a session needs of the pool that it is in. */
export interface SessionOwner {
  run(session: PoolSession, input: RunInput): Promise<Outputs>;
  /** The workers that have the session. */
  holders(session: PoolSession): InferenceWorker[];
  /** Told that a session is released. */
  forget(session: PoolSession): void;
  /** Calls of unlike lengths may be padded to be joined. */
  readonly pads: boolean;
  /** Loads a session when no other is loaded, in no more memory than that takes. */
  loading<T>(load: () => Promise<T>): Promise<T>;
  /** Does work that needs a copy of so many bytes, when there is room for it. */
  admitted<T>(bytes: number, work: () => Promise<T>): Promise<T>;
  /** One line for the user's log. */
  notice: (text: string) => void;
}

/** A model in a pool. */
export class PoolSession {
  readonly id: number;
  /** Only those workers serve it that have it. */
  single: boolean;
  readonly #owner: SessionOwner;
  readonly #model: PoolModel;
  #loaded: { info: SessionInfo; joint: JointRuns } | undefined;
  #quickWorker: InferenceWorker | undefined;
  #released = false;

  constructor(owner: SessionOwner, id: number, model: PoolModel) {
    this.id = id;
    this.single = model.single;
    this.#owner = owner;
    this.#model = model;
  }

  get info(): SessionInfo {
    return this.#known.info;
  }

  /** How its runs are joined. */
  get joint(): JointRuns {
    return this.#known.joint;
  }

  /**
   * @param bytes that the copies of its inputs take
   * @param copied makes these copies, when there is room for them: at once as long as there is
   */
  run(bytes: number, copied: () => RunInput): Promise<Outputs> {
    return this.#owner.admitted(bytes, async () => {
      if (this.#released) throw new Error('Session already disposed.');
      return this.#owner.run(this, copied());
    });
  }

  async endProfiling(): Promise<void> {
    await Promise.all(
      this.#owner.holders(this).map((worker) => worker.call({ kind: 'endProfiling', sessionId: this.id })),
    );
  }

  /** Frees the session in every worker. @throws Error with stock's text when called twice */
  async release(): Promise<void> {
    if (this.#released) throw new Error('Session already disposed.');
    this.#released = true;
    this.#owner.forget(this);
    await Promise.all(
      this.#owner.holders(this).map(async (worker) => {
        // A worker that is to load it may not have been asked yet: it would know of no such session.
        const isLoaded = await worker.sessions.get(this.id)?.then(
          () => true,
          () => false,
        );
        if (isLoaded === true) await worker.call({ kind: 'release', sessionId: this.id });
        worker.sessions.delete(this.id);
      }),
    );
  }

  get released(): boolean {
    return this.#released;
  }

  /** Does the worker have the quick session, which is to be replaced? */
  isQuickIn(worker: InferenceWorker): boolean {
    return worker === this.#quickWorker;
  }

  /** The quick session is the final one after all. */
  keepQuick(): void {
    this.#quickWorker = undefined;
  }

  /** As {@link loadedIn}, with the quick options where there are any. For the first worker of a session. */
  quicklyLoadedIn(worker: InferenceWorker): Promise<unknown> {
    if (this.#model.quickOptions !== undefined) this.#quickWorker = worker;
    return this.loadedIn(worker);
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

  /** Runs alone; the buffers of the input belong to the worker afterwards. */
  async runIn(worker: InferenceWorker, { feeds, fetches, options }: RunInput): Promise<Outputs> {
    const given = Object.values(fetches).filter((value) => value !== null);
    const request: RunRequest = { kind: 'run', sessionId: this.id, feeds, fetches, options };
    const reply = await worker.call(request, buffersOf([...Object.values(feeds), ...given]));
    return (reply as { outputs: Outputs }).outputs;
  }

  get #known(): { info: SessionInfo; joint: JointRuns } {
    if (this.#loaded === undefined) throw new Error('the session is not loaded');
    return this.#loaded;
  }

  async #load(worker: InferenceWorker): Promise<void> {
    const { name, locate, quickOptions } = this.#model;
    const options = this.isQuickIn(worker) ? (quickOptions ?? this.#model.options) : this.#model.options;
    const reply = await this.#owner.loading(async () =>
      worker.call({ kind: 'load', sessionId: this.id, file: await locate(), options }),
    );
    const { info } = reply as { info: SessionInfo };
    const onOff = (reason: string): void => this.#owner.notice(`runs of ${name} are not batched: ${reason}`);
    this.#loaded ??= { info, joint: new JointRuns(info, onOff, this.#owner.pads) };
  }
}
