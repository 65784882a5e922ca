import { join } from 'node:path';
import { GRAPH_FILE, MANIFEST_FILE, type StoreLayout } from '../store/layout';
import { readManifest } from '../store/manifest';
import type { CopyManifest, WantedFile } from './tier';

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
