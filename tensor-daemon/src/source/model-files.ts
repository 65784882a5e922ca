import { PluginError } from '@tetris/common';

/** A model whose content is known: what the sources hand to the ingest. */
export interface ModelFiles {
  /** SHA-256 of the model itself. */
  readonly sha256: string;
  /** Its external data, by location relative to the model, sorted. */
  readonly externalData: readonly { location: string; sha256: string }[];
  /** Of all files together. */
  readonly bytes: number;
  /** Keeps the files at hand until {@link letGo}. Absent, as that is, where they are not the daemon's to keep. */
  hold?(): void;
  /** @param isDone they are not needed any more: the model is in the store */
  letGo?(isDone: boolean): void;
  /**
   * Has the files at hand, before the ingest takes its turn: they may come from far away. Absent where they are near.
   * Errors as {@link stage}.
   */
  gather?(signal: AbortSignal): Promise<void>;
  /**
   * Makes the files readable at a path until the ingest ends.
   * @param folder of the ingest's own, for links
   * @throws PluginError `ERR_MODEL_UNKNOWN` where they are gone, {@link ChangedError} where the source holds others
   */
  stage(folder: string, signal: AbortSignal): Promise<string>;
  /** After they have been read: were they what they were? @throws PluginError `ERR_MODEL_INVALID` */
  verify(): Promise<void>;
}

/** The source holds other bytes than it was thought to: whoever asks again is told which. */
export class ChangedError extends PluginError {
  constructor(reason: string) {
    super('ERR_MODEL_FETCH_FAILED', reason, { retriable: true });
  }
}

/**
 * Does something with a model's files. They stay at hand as long as it takes, and no longer where it succeeds. Where it
 * fails they stay for a while: it may be tried again, and who fails must not take away what another has brought.
 */
export async function withFiles<T>(files: ModelFiles, use: () => Promise<T>): Promise<T> {
  files.hold?.();
  let isDone = false;
  try {
    const result = await use();
    isDone = true;
    return result;
  } finally {
    files.letGo?.(isDone);
  }
}
