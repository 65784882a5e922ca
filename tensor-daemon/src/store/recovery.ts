import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { faultPoint } from '../fault';
import type { Catalog } from './catalog';
import { allocated, allocatedIn, list, removeTree, stat, unlinkIfPresent } from './files';
import { GRAPH_FILE, isDigest, MANIFEST_FILE, type StoreLayout } from './layout';
import { type Manifest, readManifest } from './manifest';
import type { Trash } from './trash';

/**
 * Fills a catalog from the folders of a store and sweeps what a crash left: work under way, tensors cut short, models
 * that miss a tensor.
 */
export function recoverStore(layout: StoreLayout, catalog: Catalog, trash: Trash): void {
  for (const folder of [layout.scratch, layout.uploads]) {
    for (const name of list(folder)) removeTree(join(folder, name));
  }
  faultPoint('recover:swept');
  findTensors(layout, catalog);
  const torn = findModels(layout, catalog, trash);
  if (torn.size > 0) dropTorn(torn, layout, catalog, trash);
}

function findTensors({ tensors }: StoreLayout, catalog: Catalog): void {
  for (const name of list(tensors)) {
    const path = join(tensors, name);
    const stats = isDigest(name) ? stat(path) : undefined;
    if (stats?.isFile() === true) {
      catalog.foundTensor({ sha256: name, fileBytes: stats.size, bytes: allocated(stats) });
    } else removeTree(path);
  }
}

/** One manifest after the other, so that what is read of them need not stay. @returns tensors that were cut short */
function findModels(layout: StoreLayout, catalog: Catalog, trash: Trash): Set<string> {
  const torn = new Set<string>();
  for (const name of list(layout.models)) {
    const path = layout.model(name);
    const manifest = readManifest(join(path, MANIFEST_FILE));
    const isModel = manifest?.modelKey === name && existsSync(join(path, GRAPH_FILE));
    if (isModel) for (const sha256 of cutShort(manifest, catalog)) torn.add(sha256);
    if (!isModel || catalog.addModel(manifest, allocatedIn(path)) === undefined) trash.add(path);
  }
  return torn;
}

/** A size that differs from the manifest's is a file cut short by a loss of power. */
function cutShort({ tensors }: Manifest, catalog: Catalog): string[] {
  return tensors
    .filter(({ sha256, bytes }) => (catalog.tensor(sha256)?.fileBytes ?? bytes) !== bytes)
    .map(({ sha256 }) => sha256);
}

/** Their names go even where a view links to them, so that the whole tensor can have the name. */
function dropTorn(torn: ReadonlySet<string>, layout: StoreLayout, catalog: Catalog, trash: Trash): void {
  const spoilt = [...catalog.models()].filter(({ tensors }) => tensors.some(({ sha256 }) => torn.has(sha256)));
  for (const { modelKey, graphBytes } of spoilt) {
    trash.add(layout.model(modelKey), graphBytes);
    catalog.removeModel(modelKey);
  }
  for (const sha256 of torn) unlinkIfPresent(layout.tensor(sha256));
  catalog.removeTensors([...torn].map((sha256) => catalog.tensor(sha256)).filter((tensor) => tensor !== undefined));
}
