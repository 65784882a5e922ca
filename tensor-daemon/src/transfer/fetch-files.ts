import { join } from 'node:path';
import { onAbort } from '../on-abort';
import { unlinkIfPresent } from '../store/files';
import { FetchThread } from './fetch-thread';
import { forEachOf } from './for-each';
import { IntegrityError } from './receive';
import type { Carrier, Offer, WantedFile } from './offer';

/** Bytes for which a thread is worth its start, some 30 ms. */
const BYTES_PER_THREAD = 16 * 1024 * 1024;

export interface FetchFilesOptions {
  /** Where files are put until they are whole. */
  folder: string;
  /** Among whom the tensors are shared. */
  scope: string;
  sync: boolean;
  signal: AbortSignal;
  /** A file is whole and checked; it is the callee's from here on. */
  onFile: (file: WantedFile, path: string) => void;
  onBytes: (bytes: number) => void;
}

/**
 * Brings files that somebody offers, several at a time. @throws IntegrityError where a file is not what it was said to
 * be, or the signal's reason
 */
export async function fetchFiles(
  offer: Offer,
  { parallelism, access }: Pick<Carrier, 'parallelism' | 'access'>,
  files: readonly WantedFile[],
  { folder, scope, sync, signal, onFile, onBytes }: FetchFilesOptions,
): Promise<void> {
  // The largest first, so that no lane is left alone with it.
  const ordered = [...files].sort((one, other) => other.bytes - one.bytes);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const most = Math.min(parallelism, files.length);
  const lanes = offer.clone === undefined ? Math.min(most, 1 + Math.floor(total / BYTES_PER_THREAD)) : most;
  const threads = offer.clone === undefined ? Array.from({ length: lanes }, () => new FetchThread(access)) : [];
  const bring = async (file: WantedFile, to: string, lane: number): Promise<void> => {
    signal.throwIfAborted();
    if (offer.clone !== undefined) return offer.clone(file, to, sync).then(() => onBytes(file.bytes));
    const { sha256, bytes, kind } = file;
    const job = { origin: offer.origin(file), to, bytes, sha256, scope: kind === 'tensor' ? scope : '', sync };
    await threads[lane]?.fetch(job, onBytes);
  };
  const close = (): Promise<void[]> => Promise.all(threads.map((thread) => thread.close()));
  const forget = onAbort(signal, () => void close());
  try {
    await forEachOf(ordered, lanes, async (file, lane) => {
      const path = join(folder, `${file.sha256}.part`);
      try {
        await bring(file, path, lane);
        onFile(file, path);
      } catch (error) {
        unlinkIfPresent(path);
        if (error instanceof IntegrityError) offer.reject(file);
        throw error;
      }
    });
  } finally {
    forget();
    await close();
  }
}
