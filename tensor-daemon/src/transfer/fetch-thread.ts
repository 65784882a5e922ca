import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { errorMessage } from '@tetris/common/errors';
import { armedFault } from '../fault';
import type { FetchJob, FetchMessage, FetchThreadData, PeerAccess } from './fetch-job';
import { IntegrityError } from './receive';

/** Heap of a thread, MiB: what it moves is outside of it. */
const HEAP_MB_MAX = 64;

/** A fetch under way. */
interface Pending {
  onBytes: (bytes: number) => void;
  resolve: () => void;
  reject: (error: Error) => void;
}

/** A thread for files that come into the store, so that hashing gigabytes keeps nobody waiting. One file at a time. */
export class FetchThread {
  readonly #worker: Worker;
  #pending: Pending | undefined;
  #ended: Error | undefined;

  /** @param access undefined: files of this machine only */
  constructor(access: PeerAccess | undefined) {
    const data: FetchThreadData = { access, fault: armedFault() };
    this.#worker = new Worker(join(__dirname, 'fetch-worker.js'), {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    this.#worker.on('message', (message: FetchMessage) => this.#heard(message));
    this.#worker.on('error', (error) => this.#end(new Error(`the thread failed: ${errorMessage(error)}`)));
    this.#worker.on('exit', () => this.#end(new Error('the thread was ended')));
  }

  /**
   * Brings a file. What stands at its path after a failure is nothing.
   * @throws IntegrityError where other bytes came than were said
   */
  fetch(job: FetchJob, onBytes: (bytes: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#pending = { onBytes, resolve, reject };
      this.#worker.postMessage(job);
    });
  }

  /** Ends it, whatever it does. Resolves when it writes no more. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #heard(message: FetchMessage): void {
    if ('bytes' in message) return this.#pending?.onBytes(message.bytes);
    const pending = this.#pending;
    this.#pending = undefined;
    if ('done' in message) pending?.resolve();
    else pending?.reject(message.corrupt ? new IntegrityError(message.failed) : new Error(message.failed));
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#pending?.reject(this.#ended);
    this.#pending = undefined;
  }
}
