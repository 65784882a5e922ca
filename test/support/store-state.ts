import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

interface StoredManifest {
  modelKey: string;
  tensors: { sha256: string; bytes: number }[];
}

/**
 * Everything that is wrong with a store at rest, as its folders tell it: torn or unneeded tensors, models and views
 * that are not whole, leavings of work. Nothing is wrong: the empty list.
 */
export function storeFaults(store: string): string[] {
  const list = (folder: string): string[] => readdirSync(join(store, folder));
  const faults: string[] = [];
  const tensors = new Map(list('tensors').map((name) => [name, statSync(join(store, 'tensors', name))]));
  for (const name of tensors.keys()) {
    const content = createHash('sha256').update(readFileSync(join(store, 'tensors', name)));
    if (content.digest('hex') !== name) faults.push(`tensor ${name} is torn`);
  }
  const needed = new Map<string, Set<string>>();
  for (const model of list('models')) {
    const manifest = JSON.parse(readFileSync(join(store, 'models', model, 'manifest.json'), 'utf8')) as StoredManifest;
    if (manifest.modelKey !== model) faults.push(`model ${model} is another one`);
    if (statSync(join(store, 'models', model, 'model.onnx')).size === 0) faults.push(`model ${model} has no graph`);
    for (const { sha256, bytes } of manifest.tensors) {
      if (tensors.get(sha256)?.size !== bytes) faults.push(`model ${model} misses tensor ${sha256}`);
    }
    needed.set(model, new Set(manifest.tensors.map(({ sha256 }) => sha256)));
  }
  const inModels = new Set([...needed.values()].flatMap((set) => [...set]));
  for (const [name, { nlink }] of tensors) {
    if (!inModels.has(name) && nlink < 2) faults.push(`nothing needs tensor ${name}`);
  }
  for (const instance of list('views')) {
    for (const view of list(join('views', instance))) {
      const folder = join('views', instance, view);
      const wanted = needed.get(view);
      if (wanted === undefined) {
        faults.push(`${folder} is no view`);
        continue;
      }
      const found = list(folder);
      if (!found.includes('model.onnx')) faults.push(`${folder} has no graph`);
      for (const sha256 of wanted) if (!found.includes(sha256)) faults.push(`${folder} misses ${sha256}`);
      for (const file of found.filter((name) => name !== 'model.onnx')) {
        if (statSync(join(store, folder, file)).ino !== tensors.get(file)?.ino)
          faults.push(`${folder}/${file} is another`);
      }
    }
  }
  for (const folder of ['scratch', 'uploads'])
    for (const left of list(folder)) faults.push(`${folder}/${left} is left`);
  for (const name of list('instances')) if (!name.endsWith('.json')) faults.push(`instances/${name} is left`);
  return faults;
}

/** The same of the models that a disk tier keeps as they came. */
export function originalFaults(disk: string): string[] {
  const folder = join(disk, 'originals');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => {
    const content = createHash('sha256').update(readFileSync(join(folder, name)));
    return !name.endsWith(content.digest('hex'));
  });
}
