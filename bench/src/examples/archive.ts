import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import AdmZip from 'adm-zip';

/**
 * What an action's archive need not have: onnxruntime, which the runtime brings, and of libraries what only browsers,
 * other builds or editors use. Of transformers.js 13 of 159 MB remain.
 */
const LEFT_OUT = [
  /^node_modules\/(?:\.bin|onnxruntime-[a-z]+|@types|typescript)\//,
  /^node_modules\/@huggingface\/(?:jinja|tokenizers)\//,
  /^node_modules\/@huggingface\/transformers\/(?:src|types)\//,
  /^node_modules\/@huggingface\/transformers\/dist\/(?!transformers\.node\.(?:cjs|mjs)$)/,
  /\.(?:map|md|d\.ts|zip)$/,
];

/** Writes `target` with everything of a folder that an action needs. */
export async function writeArchive(folder: string, target: string): Promise<void> {
  const archive = new AdmZip();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (!entry.isFile() || LEFT_OUT.some((pattern) => pattern.test(name))) continue;
    archive.addFile(name, await readFile(path));
  }
  await archive.writeZipPromise(target);
}
