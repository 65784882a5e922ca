/**
 * Where a model may lie beside the store: on a disk, or with a peer. To have it back from there as it was stored costs
 * a read or a fetch, and not a download and an optimization; to have it as it came spares the download.
 */
import { join } from 'node:path';
import { GRAPH_FILE, MANIFEST_FILE, type StoreLayout } from '../store/layout';
import { type Manifest, readManifest } from '../store/manifest';
import type { Tenant } from '../tenant';
import type { Carrier, Offer, WantedFile } from '../transfer/offer';

/** A manifest that also names its graph by content, so that every byte of the model can be checked. */
export type CopyManifest = Manifest & { graphSha256: string };

/** A model that is wanted back. */
export interface WantedModel {
  modelKey: string;
  /** Among whom it is shared: see Tenant. */
  scope: string;
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

/** A stored model as a tier offers it. */
export interface ModelCopy extends Offer {
  readonly manifest: CopyManifest;
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

/** A model that lies in a store's folders. */
export interface StoredCopy {
  readonly manifest: CopyManifest;
  pathOf(file: WantedFile): string;
}

/** @returns undefined where the model is not there, or its graph has no digest */
export function openCopy(layout: StoreLayout, modelKey: string): StoredCopy | undefined {
  const manifest = readManifest(join(layout.model(modelKey), MANIFEST_FILE));
  const { graphSha256 } = manifest ?? {};
  if (manifest === undefined || graphSha256 === undefined) return undefined;
  const pathOf = ({ kind, sha256 }: WantedFile): string =>
    kind === 'graph' ? join(layout.model(modelKey), GRAPH_FILE) : layout.tensor(sha256);
  return { manifest: { ...manifest, graphSha256 }, pathOf };
}
