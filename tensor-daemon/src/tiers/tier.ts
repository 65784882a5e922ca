/**
 * Where an ingested model may lie beside the store: on a disk, or with a peer. To have it back from there costs a read or
 * a fetch, and not a download and an optimization.
 */
import type { Manifest } from '../store/manifest';
import type { Origin, PeerAccess } from './fetch-job';

/** A manifest that also names its graph by content, so that every byte of the model can be checked. */
export type CopyManifest = Manifest & { graphSha256: string };

/** A model that is wanted back. */
export interface WantedModel {
  modelKey: string;
  /** Among whom it is shared: see Tenant. */
  scope: string;
}

/** A file of a model: its graph or one of its tensors. */
export interface WantedFile {
  kind: 'graph' | 'tensor';
  sha256: string;
  bytes: number;
}

/** A model as a tier offers it. What is read from it is believed only after its digest was computed here. */
export interface ModelCopy {
  /** For the log. */
  readonly from: string;
  readonly manifest: CopyManifest;
  /** Where the bytes of a file are. */
  origin(file: WantedFile): Origin;
  /**
   * Copies a file whole, by the kernel: for tiers that are trusted with contents. Its size is checked by the tier.
   * Without it, files are read from their origin and checked by their digest.
   */
  clone?(file: WantedFile, path: string, sync: boolean): Promise<void>;
  /** Bytes came that were not those they should have been: this copy will not be offered again soon. */
  refuted(file: WantedFile): void;
  /** Nobody reads from it any more. */
  close(): void;
}

export interface Tier {
  readonly name: 'disk' | 'peer';
  /** Files read at a time. */
  readonly parallelism: number;
  /** How a thread reaches the origins, where they are peers. */
  readonly access?: PeerAccess;
  /** The copies there are, best first; each is asked for when the one before has failed. */
  copies(wanted: WantedModel, signal: AbortSignal): AsyncIterable<ModelCopy>;
}
