/** Files that somebody else holds, as they are offered for transfer. */
import type { Origin, PeerAccess } from './fetch-job';

/** A file of a model as it is stored, its graph or one of its tensors; or of a model as it came. */
export interface WantedFile {
  kind: 'graph' | 'tensor' | 'original';
  sha256: string;
  bytes: number;
}

/** Files that can be fetched. What is read is believed only after its digest was computed here. */
export interface Offer {
  /** For the log. */
  readonly from: string;
  /** Where the bytes of a file are. */
  origin(file: WantedFile): Origin;
  /**
   * Copies a file whole, by the kernel: for tiers that are trusted with contents. Its size is checked by the tier.
   * Without it, files are read from their origin and checked by their digest.
   */
  clone?(file: WantedFile, path: string, sync: boolean): Promise<void>;
  /** Other bytes came than the file's digest says: this is not offered again soon. */
  reject(file: WantedFile): void;
  /** Nobody reads from it any more. */
  close(): void;
}

/** How files are fetched. */
export interface Carrier {
  readonly name: 'disk' | 'peer';
  /** Files read at a time. */
  readonly parallelism: number;
  /** How a thread reaches the origins, where they are peers. */
  readonly access?: PeerAccess;
}
