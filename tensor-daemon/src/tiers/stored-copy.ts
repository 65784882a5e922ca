import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { GRAPH_FILE, MANIFEST_FILE, type StoreLayout } from '../store/layout';
import { readManifest } from '../store/manifest';
import type { CopyManifest, WantedFile } from './tier';

/** Bytes read at a time: half a millisecond's hashing. */
const CHUNK_BYTES = 512 * 1024;

/** A model that lies in a store's folders. */
export interface StoredCopy {
  readonly manifest: CopyManifest;
  pathOf(file: WantedFile): string;
  read(file: WantedFile, offset: number): AsyncIterable<Uint8Array>;
}

/** @returns undefined where the model is not there, or its graph has no digest */
export function openCopy(layout: StoreLayout, modelKey: string): StoredCopy | undefined {
  const manifest = readManifest(join(layout.model(modelKey), MANIFEST_FILE));
  const { graphSha256 } = manifest ?? {};
  if (manifest === undefined || graphSha256 === undefined) return undefined;
  const pathOf = ({ kind, sha256 }: WantedFile): string =>
    kind === 'graph' ? join(layout.model(modelKey), GRAPH_FILE) : layout.tensor(sha256);
  return {
    manifest: { ...manifest, graphSha256 },
    pathOf,
    read: (file, start) =>
      createReadStream(pathOf(file), { start, highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>,
  };
}
