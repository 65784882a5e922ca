import { readdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';

/** A model in the layout of ONNX's backend tests. */
export interface TestModel {
  /** Its folder below the one that was given. */
  name: string;
  /** Holds `model.onnx`, and `test_data_set_N` where there are any. */
  folder: string;
}

/** Every folder with a `model.onnx`, at any depth, by name. */
export async function findModels(folders: readonly string[]): Promise<TestModel[]> {
  const found = await Promise.all(folders.map((folder) => modelsIn(resolve(folder), resolve(folder))));
  return found.flat();
}

async function modelsIn(folder: string, top: string): Promise<TestModel[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  if (entries.some(({ name }) => name === 'model.onnx')) return [{ name: relative(top, folder) || folder, folder }];
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const below = await Promise.all(names.sort().map((name) => modelsIn(join(folder, name), top)));
  return below.flat();
}
