import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { PluginError } from '@tetris/common/errors';
import type { ModelCopy, WantedFile } from './tier';

/** How often one file's transfer may break and go on where it was. */
const RESUMES_MAX = 3;

const PUBLISHED_MODE = 0o444;

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
    for await (const chunk of await copy.read(wanted, done, signal)) {
      signal.throwIfAborted();
      if (done + chunk.length > wanted.bytes) throw new RefutedError(`more than ${wanted.bytes} bytes came`);
      hash.update(chunk);
      await file.writeFile(chunk);
      done += chunk.length;
      onBytes(chunk.length);
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
