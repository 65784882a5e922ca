import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { errorMessage, PluginError } from '@tetris/common/errors';
import type { WireFailure, WorkerReply, WorkerRequest } from './protocol';

type Pending = { resolve: (reply: WorkerReply) => void; reject: (error: Error) => void };

/** One worker thread and the requests it has not answered. */
export class InferenceWorker {
  /** Sessions that were loaded, or are being loaded, in this worker. */
  readonly sessions = new Map<number, Promise<unknown>>();
  readonly #thread: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #failure: PluginError | undefined;

  /**
   * @param heapMax JavaScript heap, MiB
   * @param onEnd told once, when the thread has ended for whatever reason
   */
  constructor(heapMax: number, onEnd: () => void) {
    this.#thread = new Worker(path.join(__dirname, 'worker.js'), {
      resourceLimits: { maxOldGenerationSizeMb: heapMax },
      env: {},
    });
    // An idle instance ends when its server does; requests under way keep it alive.
    this.#thread.unref();
    this.#thread.on('message', (reply: WorkerReply) => this.#settle(reply));
    this.#thread.on('messageerror', (error) => this.#end(error));
    this.#thread.on('error', (error) => this.#end(error));
    this.#thread.once('exit', (code) => {
      this.#end(new Error(`it exited with code ${code}`));
      onEnd();
    });
  }

  /** Requests sent and not answered. */
  get load(): number {
    return this.#pending.size;
  }

  get ended(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Sends a request.
   *
   * @param transfer buffers that belong to the worker from now on
   * @throws the error that onnxruntime gave, of the same class; PluginError `ERR_WORKER_FAILED` (retriable) where the
   *   worker ended before it answered
   */
  async call(request: WorkerRequest, transfer: readonly ArrayBuffer[] = []): Promise<WorkerReply & { ok: true }> {
    if (this.#failure !== undefined) throw this.#failure;
    const id = ++this.#lastId;
    const reply = await new Promise<WorkerReply>((resolve, reject) => {
      this.#thread.postMessage({ id, request }, [...transfer]);
      this.#pending.set(id, { resolve, reject });
      if (this.#pending.size === 1) this.#thread.ref();
    });
    if (!reply.ok) throw errorOf(reply.error);
    return reply;
  }

  /** Ends the thread; what it has not answered fails. */
  async terminate(): Promise<void> {
    await this.#thread.terminate();
  }

  #settle(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#thread.unref();
    pending?.resolve(reply);
  }

  #end(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = new PluginError('ERR_WORKER_FAILED', `an inference worker failed: ${errorMessage(cause)}`, {
      retriable: true,
      cause,
    });
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
    void this.#thread.terminate();
  }
}

const CLASSES = { Error, TypeError, RangeError };

function errorOf({ name, message }: WireFailure): Error {
  return new CLASSES[name](message);
}
