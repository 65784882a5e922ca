/**
 * Sessions in the thread of user code, as stock onnxruntime-node runs them: an instance that takes one activation at a
 * time has nothing else to do meanwhile. A second isolate would cost 9 MB, and the way there and back some tenths of a
 * millisecond a run (decision 0051).
 */
import { readFileSync } from 'node:fs';
import type { Backend, InferenceSession, InferenceSessionHandler } from 'onnxruntime-common';
import type { InferenceEngine } from './engine';
import type { RunTimes } from './pool';
import type { PoolModel } from './pool-session';
import { trimAfterLoad, trimHeap } from './trim';
import { runOver } from './usable-memory';

type Run = InferenceSessionHandler['run'];
type Results = Awaited<ReturnType<Run>>;

/** After so long without a run the final session of a woken model is made, ms. */
const FINAL_AFTER_MS = 50;

/** After this many runs the next one waits for it: whoever runs without a pause gains by it. */
const QUICK_RUNS_MAX = 10;

export interface OwnThreadOptions {
  /** Times of the activation that calls. */
  times: () => Pick<RunTimes, 'onRun'>;
  /** onnxruntime-node's own; loads the native library. */
  stock: Backend;
  /** Models answer first as after a sleep. */
  wakes: boolean;
}

export class OwnThread implements InferenceEngine {
  readonly #options: OwnThreadOptions;
  readonly #sessions = new Set<OwnSession>();

  constructor(options: OwnThreadOptions) {
    this.#options = options;
  }

  async load(model: PoolModel, onRelease: () => Promise<void>): Promise<InferenceSessionHandler> {
    const { stock, times, wakes } = this.#options;
    const open = async (options: InferenceSession.SessionOptions): Promise<InferenceSessionHandler> => {
      const { kind, path } = await model.locate();
      const source = kind === 'path' ? path : readFileSync(path);
      return stock.createInferenceSessionHandler(source, options).finally(trimAfterLoad);
    };
    const session: OwnSession = new OwnSession(model, open, times, async () => {
      this.#sessions.delete(session);
      await onRelease();
    });
    await session.open(wakes || model.quickOptions !== undefined);
    this.#sessions.add(session);
    return session;
  }

  async sleep(): Promise<void> {
    for (const session of this.#sessions) await session.sleep();
    trimHeap();
  }
}

type Open = (options: InferenceSession.SessionOptions) => Promise<InferenceSessionHandler>;

/**
 * A session of user code; what it holds of onnxruntime comes and goes.
 *
 *     awake --sleep--> asleep --run--> quick --a pause--> awake
 *
 * A quick one has no packed weights: ready in a fifth of the time, it runs by a third longer. A model that has no such
 * options wakes at once.
 */
class OwnSession implements InferenceSessionHandler {
  inputNames: readonly string[] = [];
  outputNames: readonly string[] = [];
  inputMetadata: readonly InferenceSession.ValueMetadata[] = [];
  outputMetadata: readonly InferenceSession.ValueMetadata[] = [];
  readonly #model: PoolModel;
  readonly #open: Open;
  readonly #times: OwnThreadOptions['times'];
  readonly #onRelease: () => Promise<void>;
  #opened: Promise<InferenceSessionHandler> | undefined;
  #handler: InferenceSessionHandler | undefined;
  /** The quick session that {@link #handler} has taken the place of, while it runs. */
  #retired: InferenceSessionHandler | undefined;
  #quickRuns: number | undefined;
  #final: NodeJS.Timeout | undefined;
  #running = 0;
  #endedMs = 0;
  #released = false;

  constructor(model: PoolModel, open: Open, times: OwnThreadOptions['times'], onRelease: () => Promise<void>) {
    this.#model = model;
    this.#open = open;
    this.#times = times;
    this.#onRelease = onRelease;
  }

  /** Loads it for the first time. @param quickly as after a sleep @throws onnxruntime's own error */
  async open(quickly: boolean): Promise<void> {
    const handler = await (quickly ? this.#woken() : this.#open(this.#model.options));
    this.#handler = handler;
    const { inputNames, outputNames, inputMetadata, outputMetadata } = handler;
    [this.inputNames, this.outputNames] = [inputNames, outputNames];
    [this.inputMetadata, this.outputMetadata] = [inputMetadata, outputMetadata];
  }

  async run(...run: Parameters<Run>): Promise<Results> {
    const { onRun } = this.#times();
    clearTimeout(this.#final);
    if ((this.#quickRuns ?? 0) >= QUICK_RUNS_MAX) await this.#finish();
    const calledMs = performance.now();
    this.#running += 1;
    try {
      const handler = this.#handler ?? (await this.#woken());
      return await runOver(handler, ...run);
    } finally {
      this.#running -= 1;
      // Runs follow one another: each began when the one before it had ended.
      const startMs = Math.max(calledMs, this.#endedMs);
      this.#endedMs = performance.now();
      onRun?.({ waitedMs: startMs - calledMs, requests: 1, executionMs: this.#endedMs - startMs, batch: 1 });
      if (this.#running === 0) this.#disposeRetired();
      if (this.#quickRuns !== undefined) this.#ranQuickly(this.#quickRuns + 1);
    }
  }

  /** Gives up what can be loaded again. Nothing while it runs, or where loading it would leave traces. */
  async sleep(): Promise<void> {
    if (this.#handler === undefined || this.#running > 0 || this.#released || this.#model.single) return;
    clearTimeout(this.#final);
    const handler = this.#handler;
    [this.#handler, this.#opened, this.#quickRuns] = [undefined, undefined, undefined];
    await handler.dispose();
  }

  async dispose(): Promise<void> {
    clearTimeout(this.#final);
    if (this.#released) throw new Error('Session already disposed.');
    this.#released = true;
    await (this.#handler ?? (await this.#opened?.catch(() => undefined)))?.dispose();
    await this.#onRelease();
  }

  startProfiling(): void {
    this.#handler?.startProfiling();
  }

  endProfiling(): void {
    this.#handler?.endProfiling();
  }

  #woken(): Promise<InferenceSessionHandler> {
    if (this.#released) return Promise.reject(new Error('Session already disposed.'));
    const { wakeOptions, options } = this.#model;
    this.#opened ??= this.#open(wakeOptions ?? options).then(
      (handler) => {
        if (wakeOptions !== undefined) this.#quickRuns = 0;
        return (this.#handler = handler);
      },
      (error: unknown) => {
        this.#opened = undefined;
        throw error;
      },
    );
    return this.#opened;
  }

  #ranQuickly(runs: number): void {
    this.#quickRuns = runs;
    if (this.#running === 0) this.#final = setTimeout(() => void this.#finish(), FINAL_AFTER_MS).unref();
  }

  /** Makes the final session; where that fails the quick one stays, and answers. */
  async #finish(): Promise<void> {
    const quick = this.#handler;
    if (this.#quickRuns === undefined || this.#running > 0 || this.#released || quick === undefined) return;
    this.#quickRuns = undefined;
    const final = await this.#open(this.#model.options).catch(() => undefined);
    if (final === undefined) return;
    if (this.#handler !== quick || this.#released) return final.dispose();
    this.#handler = final;
    this.#retired = quick;
    if (this.#running === 0) this.#disposeRetired();
  }

  /** A run that was asked for while the final session was made is still to be run in the quick one. */
  #disposeRetired(): void {
    void this.#retired?.dispose();
    this.#retired = undefined;
  }
}
