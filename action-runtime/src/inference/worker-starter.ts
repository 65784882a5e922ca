import { InferenceWorker } from './inference-worker';

interface WarmWorker {
  worker: InferenceWorker;
  /** Settles when onnxruntime is set up there, or cannot be. */
  ready: Promise<unknown>;
  onEnd: () => void;
}

/**
 * Starts inference workers, the first of them ahead of time where it is told to: a thread with onnxruntime in it takes
 * as long to come up as the process itself, and the first model needs it right after that.
 */
export class WorkerStarter {
  readonly #heapMax: number;
  #warm: WarmWorker | undefined;
  #used = false;

  /** @param heapMax JavaScript heap of each, MiB; 0 for as much as Node gives the main thread */
  constructor(heapMax: number) {
    this.#heapMax = heapMax;
  }

  /** Starts the first worker now, and has onnxruntime do there what it does once per process. */
  warmUp(): void {
    const worker = new InferenceWorker(this.#heapMax, () => this.#ended(warm));
    // What fails here fails again, with its reason, where a model is loaded.
    const ready = worker.call({ kind: 'warmUp' }).catch(() => undefined);
    const warm: WarmWorker = { worker, ready, onEnd: () => undefined };
    this.#warm = warm;
  }

  /** Settles when the worker that was started ahead of time is ready; at once where there is none. */
  get ready(): Promise<unknown> {
    return this.#warm?.ready ?? Promise.resolve();
  }

  /** From now on models may come. */
  use(): void {
    this.#used = true;
    if (this.#warm === undefined) this.warmUp();
  }

  /** @param onEnd told once, when the thread has ended for whatever reason */
  start(onEnd: () => void): InferenceWorker {
    const warm = this.#warm;
    this.#warm = undefined;
    if (warm === undefined) return new InferenceWorker(this.#heapMax, onEnd);
    warm.onEnd = onEnd;
    return warm.worker;
  }

  /** Ends the worker that was started ahead of time, where no models are expected. */
  async endUnused(): Promise<void> {
    const warm = this.#warm;
    if (this.#used || warm === undefined) return;
    this.#warm = undefined;
    // A thread that is ended inside of onnxruntime takes the process with it.
    await warm.ready;
    await warm.worker.terminate();
  }

  #ended(warm: WarmWorker): void {
    if (this.#warm === warm) this.#warm = undefined;
    warm.onEnd();
  }
}
