/**
 * Where a model may lie beside the store: on a disk, or with a peer. To have it back from there as it was stored costs a
 * read or a fetch, and not a download and an optimization; to have it as it came spares the download.
 */
import type { Manifest } from '../store/manifest';
import type { Tenant } from '../tenant';
import type { Origin, PeerAccess } from './fetch-job';

/** A manifest that also names its graph by content, so that every byte of the model can be checked. */
export type CopyManifest = Manifest & { graphSha256: string };

/** A model that is wanted back. */
export interface WantedModel {
  modelKey: string;
  /** Among whom it is shared: see Tenant. */
  scope: string;
}

/** A file of a model as it is stored, its graph or one of its tensors; or of a model as it came. */
export interface WantedFile {
  kind: 'graph' | 'tensor' | 'original';
  sha256: string;
  bytes: number;
}

/** A file of a model as it came: the model itself, or external data. */
export interface WantedOriginal {
  /** Its name among those who share: see nameOf. */
  name: string;
  sha256: string;
  bytes: number;
  /** For whom it is wanted. */
  tenant: Tenant;
}

/** Files as a tier offers them. What is read from it is believed only after its digest was computed here. */
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
  /** Bytes came that were not those they should have been: this will not be offered again soon. */
  refuted(file: WantedFile): void;
  /** Nobody reads from it any more. */
  close(): void;
}

/** A stored model as a tier offers it. */
export interface ModelCopy extends Offer {
  readonly manifest: CopyManifest;
}

/** What brings files. */
export interface Carrier {
  readonly name: 'disk' | 'peer';
  /** Files read at a time. */
  readonly parallelism: number;
  /** How a thread reaches the origins, where they are peers. */
  readonly access?: PeerAccess;
}

/** Where stored models may lie. */
export interface Tier extends Carrier {
  /** The copies there are, best first; each is asked for when the one before has failed. */
  copies(wanted: WantedModel, signal: AbortSignal): AsyncIterable<ModelCopy>;
}

/** Where models may lie as they came. */
export interface OriginalTier extends Carrier {
  /** As {@link Tier.copies}. */
  originals(wanted: WantedOriginal, signal: AbortSignal): AsyncIterable<Offer>;
}
