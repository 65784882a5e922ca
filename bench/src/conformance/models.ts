import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';

/** A model to be examined. */
export interface TestModel {
  /** Its path below the folder that was given; without `model.onnx`, the name that all of ONNX's backend tests have. */
  name: string;
  path: string;
}

const STANDARD_NAME = 'model.onnx';

/** Every `.onnx` file below a folder, at any depth, by name; or the one file that is given. */
export async function findModels(given: string): Promise<TestModel[]> {
  const top = resolve(given);
  return (await isFolder(top)) ? modelsIn(top, top) : [{ name: basename(top), path: top }];
}

/** The folder that is given, or the one in which the given file lies. */
export async function rootOf(given: string): Promise<string> {
  return (await isFolder(given)) ? given : dirname(given);
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}

async function modelsIn(folder: string, top: string): Promise<TestModel[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const sorted = entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  const found = await Promise.all(
    sorted.map(async (entry): Promise<TestModel[]> => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return modelsIn(path, top);
      return entry.name.endsWith('.onnx') ? [{ name: nameOf(path, top), path }] : [];
    }),
  );
  return found.flat();
}

function nameOf(path: string, top: string): string {
  return relative(top, basename(path) === STANDARD_NAME ? dirname(path) : path) || path;
}
