import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What the file system of a store says, read without its daemon. */
export interface StoreLinks {
  /** Instances whose view folder holds a view. */
  holders: string[];
  /** Links to each tensor beside its own name. */
  references: Map<string, number>;
  /** The same, counted in the views. */
  seen: Map<string, number>;
}

/** Reads link counts and views of a store at rest. */
export function storeLinks(storePath: string): StoreLinks {
  const tensors = new Map(
    readdirSync(join(storePath, 'tensors')).map((name) => [name, statSync(join(storePath, 'tensors', name))]),
  );
  const names = new Map([...tensors].map(([name, { ino }]) => [ino, name]));
  const seen = new Map([...tensors.keys()].map((name) => [name, 0]));
  const holders: string[] = [];
  for (const instance of readdirSync(join(storePath, 'views'))) {
    const views = readdirSync(join(storePath, 'views', instance), { withFileTypes: true }).filter((each) =>
      each.isDirectory(),
    );
    if (views.length > 0) holders.push(instance);
    for (const { name: view } of views) {
      for (const file of readdirSync(join(storePath, 'views', instance, view))) {
        const tensor = names.get(statSync(join(storePath, 'views', instance, view, file)).ino);
        if (tensor !== undefined) seen.set(tensor, (seen.get(tensor) ?? 0) + 1);
      }
    }
  }
  const references = new Map([...tensors].map(([name, { nlink }]) => [name, nlink - 1]));
  return { holders: holders.sort(), references, seen };
}
