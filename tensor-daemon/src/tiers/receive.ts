import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { PluginError } from '@tetris/common/errors';
import type { ModelCopy, WantedFile } from './tier';

/** How often one file's transfer may break and go on where it was. */
const RESUMES_MAX = 3;

const PUBLISHED_MODE = 0o444;

/** Bytes gathered before they are written: a socket brings them in pieces too small for a write each. */
const WRITE_BYTES = 1024 * 1024;

/** Bytes that are not what they were said to be. */
export class RefutedError extends PluginError {
  constructor(reason: string) {
    super('ERR_INGEST_FAILED', reason, { retriable: true });
  }
}

/**
 * Writes a file of a copy to a new path and checks it on the way: size and SHA-256. A transfer that breaks goes on where
 * it broke. What stands at the path after a failure is nothing.
 *
 * @throws RefutedError where too many, too few for good, or other bytes came
 */
export async function receive(
  copy: ModelCopy,
  wanted: WantedFile,
  path: string,
  { sync, signal, onBytes }: { sync: boolean; signal: AbortSignal; onBytes: (bytes: number) => void },
): Promise<void> {
  const file = await open(path, 'wx', PUBLISHED_MODE);
  const hash = createHash('sha256');
  let done = 0;
  const readOn = async (): Promise<void> => {
    const gathered = new Gathered(file);
    try {
      for await (const chunk of await copy.read(wanted, done, signal)) {
        signal.throwIfAborted();
        if (done + chunk.length > wanted.bytes) throw new RefutedError(`more than ${wanted.bytes} bytes came`);
        hash.update(chunk);
        await gathered.add(chunk);
        done += chunk.length;
        onBytes(chunk.length);
      }
    } finally {
      await gathered.flush();
    }
    if (done < wanted.bytes) throw new Error(`it ended after ${done} of ${wanted.bytes} bytes`);
  };
  try {
    for (let resumes = 0; done < wanted.bytes; resumes++) {
      const before = done;
      try {
        await readOn();
      } catch (error) {
        // Whoever makes no progress will make none.
        if (error instanceof RefutedError || signal.aborted || resumes >= RESUMES_MAX || done === before) throw error;
      }
    }
    const sha256 = hash.digest('hex');
    if (sha256 !== wanted.sha256) throw new RefutedError(`${wanted.kind} ${wanted.sha256} has the digest ${sha256}`);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}

/** Chunks on their way into a file. */
class Gathered {
  readonly #file: FileHandle;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= WRITE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const chunks = this.#chunks;
    const bytes = this.#bytes;
    this.#chunks = [];
    this.#bytes = 0;
    if (bytes === 0) return;
    const { bytesWritten } = await this.#file.writev(chunks);
    // The rest of a short write, which a full file system answers with an error.
    if (bytesWritten < bytes) await this.#file.writeFile(Buffer.concat(chunks).subarray(bytesWritten));
  }
}
