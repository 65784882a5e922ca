import path from 'node:path';
import type { Worker } from 'node:worker_threads';
import { errorMessage, PluginError } from '@tetris/common/errors';
import type { WireFailure, WorkerReply, WorkerRequest } from './protocol';

type Pending = { resolve: (reply: WorkerReply) => void; reject: (error: Error) => void };

/** One worker thread and the requests it has not answered. */
export class InferenceWorker {
  /** Sessions that were loaded, or are being loaded, in this worker. */
  readonly sessions = new Map<number, Promise<unknown>>();
  readonly #thread: Worker;
  readonly #pending = new Map<number, Pending>();
  #sent = 0;
  #failure: PluginError | undefined;

  /**
   * @param heapMax JavaScript heap, MiB; 0 for as much as Node gives the main thread, which it takes from the memory
   *   there is
   * @param onEnd told once, when the thread has ended for whatever reason
   * @param file that the thread runs
   */
  constructor(heapMax: number, onEnd: () => void, file = path.join(__dirname, 'worker.js')) {
    // Not imported above: an instance that runs models in its own thread never comes here.
    const threads = process.getBuiltinModule('node:worker_threads');
    this.#thread = new threads.Worker(file, {
      ...(heapMax === 0 ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMax } }),
      env: {},
    });
    // An idle instance ends when its server does; requests under way keep it alive.
    this.#thread.unref();
    this.#thread.on('message', (reply: WorkerReply) => this.#settle(reply.id, reply));
    this.#thread.on('messageerror', (error) => this.#settleUnread(error));
    this.#thread.on('error', (error) => this.#failed(error));
    // Replies that were sent before the end have come by then.
    this.#thread.once('exit', (code) => {
      const failure = this.#failed(new Error(`it exited with code ${code}`));
      for (const { reject } of this.#pending.values()) reject(failure);
      this.#pending.clear();
      onEnd();
    });
  }

  get ended(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Sends a request.
   *
   * @param transfer buffers that belong to the worker from now on
   * @throws the error that onnxruntime gave, of the same class; PluginError `ERR_WORKER_FAILED` (retriable) where the
   *   worker ended before it answered; DataCloneError for what cannot be sent; Error for a request or a reply that was
   *   not understood. Every request ends in one way or the other
   */
  async call(request: WorkerRequest, transfer: readonly ArrayBuffer[] = []): Promise<WorkerReply & { ok: true }> {
    if (this.#failure !== undefined) throw this.#failure;
    const reply = await new Promise<WorkerReply>((resolve, reject) => {
      this.#thread.postMessage(request, [...transfer]);
      // Counted once it is sent: the worker counts what arrives.
      this.#pending.set(++this.#sent, { resolve, reject });
      if (this.#pending.size === 1) this.#thread.ref();
    });
    if (!reply.ok) throw errorOf(reply.error);
    return reply;
  }

  /** Ends the thread; what it has not answered fails. */
  async terminate(): Promise<void> {
    await this.#thread.terminate();
  }

  #settle(id: number, reply: WorkerReply): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#thread.unref();
    pending?.resolve(reply);
  }

  /** Replies come in order: the one that cannot be read is the oldest request's. */
  #settleUnread(error: Error): void {
    const [id] = this.#pending.keys();
    const message = `the reply of an inference worker could not be read: ${error.message}`;
    if (id !== undefined) this.#settle(id, { id, ok: false, error: { name: 'Error', message } });
  }

  /** From now on requests are refused. @returns the first reason, in an error */
  #failed(cause: unknown): PluginError {
    this.#failure ??= new PluginError('ERR_WORKER_FAILED', `an inference worker failed: ${errorMessage(cause)}`, {
      retriable: true,
      cause,
    });
    return this.#failure;
  }
}

const CLASSES = { Error, TypeError, RangeError };

function errorOf({ name, message }: WireFailure): Error {
  return new CLASSES[name](message);
}
