import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { PluginError } from '@tetris/common/errors';
import { faultPoint } from '../fault';
import { sizeFirst } from '../store/files';
import type { FetchJob } from './fetch-job';

/** How often one file's transfer may break and go on where it was. */
const RESUMES_MAX = 3;

const PUBLISHED_MODE = 0o444;

/** Bytes of a file read at a time. */
const READ_BYTES = 1024 * 1024;

/** Bytes that are not what they were said to be. */
export class IntegrityError extends PluginError {
  constructor(reason: string) {
    super('ERR_INGEST_FAILED', reason, { retriable: true });
  }
}

/** Gives the bytes of a file from `offset` on, each chunk valid during the call only. */
export type Read = (offset: number, sink: Pick<Receiver, 'begin' | 'take'>) => Promise<void>;

/**
 * Writes a file to a new path and checks it on the way: size and SHA-256. A transfer that breaks goes on where it
 * broke. What stands at the path after a failure is nothing.
 *
 * @throws IntegrityError where too many, too few for good, or other bytes came
 */
export async function receive(job: FetchJob, read: Read, onBytes: (bytes: number) => void): Promise<void> {
  const receiver = new Receiver(job, onBytes);
  try {
    for (let resumes = 0; ; resumes++) {
      const before = receiver.done;
      try {
        await read(before, receiver);
        if (receiver.done < job.bytes) throw new Error(`it ended after ${receiver.done} of ${job.bytes} bytes`);
        break;
      } catch (error) {
        // Whoever makes no progress will make none.
        if (error instanceof IntegrityError || resumes >= RESUMES_MAX || receiver.done === before) throw error;
      }
    }
    receiver.finish();
  } finally {
    receiver.close();
  }
}

/** A file on its way in. */
class Receiver {
  readonly #job: FetchJob;
  readonly #onBytes: (bytes: number) => void;
  readonly #file: number;
  readonly #hash = createHash('sha256');
  #done = 0;

  constructor(job: FetchJob, onBytes: (bytes: number) => void) {
    this.#job = job;
    this.#onBytes = onBytes;
    this.#file = openSync(job.to, 'wx', PUBLISHED_MODE);
    sizeFirst(this.#file, job.bytes);
    if (job.scope !== '') this.#hash.update(`${job.scope}\0`);
    faultPoint('fetch:opened');
  }

  /** Bytes that are in. */
  get done(): number {
    return this.#done;
  }

  /** So many are to come. @throws IntegrityError where they are not as many as are missing */
  readonly begin = (bytes: number): void => {
    const missing = this.#job.bytes - this.#done;
    if (bytes !== missing) throw new IntegrityError(`${bytes} bytes are offered, ${missing} are missing`);
  };

  /** @throws IntegrityError where they are too many */
  readonly take = (chunk: Uint8Array): void => {
    if (this.#done + chunk.length > this.#job.bytes)
      throw new IntegrityError(`more than ${this.#job.bytes} bytes came`);
    this.#hash.update(chunk);
    for (let at = 0; at < chunk.length;) at += writeSync(this.#file, chunk, at);
    this.#done += chunk.length;
    faultPoint('fetch:written');
    this.#onBytes(chunk.length);
  };

  /** @throws IntegrityError where the bytes are others */
  finish(): void {
    const sha256 = this.#hash.digest('hex');
    if (sha256 !== this.#job.sha256) throw new IntegrityError(`${this.#job.sha256} has the digest ${sha256}`);
    if (this.#job.sync) fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Reads a file of this machine. */
export function readFrom(path: string): Read {
  return async (offset, { take }) => {
    const file = openSync(path, 'r');
    try {
      const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
      for (let at = offset; ;) {
        const bytes = readSync(file, chunk, 0, chunk.length, at);
        if (bytes === 0) return;
        take(chunk.subarray(0, bytes));
        at += bytes;
      }
    } finally {
      closeSync(file);
    }
  };
}
