/** `npm run examples`: makes the models and archives of `examples/`. */
import { errorMessage } from '@tetris/common';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildModel } from '../models/built-model';
import { writeArchive } from './archive';
import { classifier, embedder, generator, painter, topics } from './models';
import { tokenizerFiles, VOCABULARY_SIZE } from './tokenizer';

const EXAMPLES = join(__dirname, '../../../examples');

/** The layout in which transformers.js looks for a model. */
async function writeEmbedder(folder: string): Promise<void> {
  const model = join(folder, 'models/tiny-embedder');
  await buildModel(embedder(VOCABULARY_SIZE), join(model, 'onnx'));
  for (const [name, value] of Object.entries(tokenizerFiles())) {
    await writeFile(join(model, name), JSON.stringify(value, undefined, 1));
  }
}

const written =
  (definition: () => Parameters<typeof buildModel>[0]) =>
  async (folder: string): Promise<void> =>
    void (await buildModel(definition(), folder));

/** How each example's model is made, by folder. */
const MODELS: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  classify: written(classifier),
  embed: writeEmbedder,
  generate: written(generator),
  pipeline: written(topics),
  painting: written(painter),
};

/** Installs what an example depends on; no script is run, as in the root. */
function install(folder: string): void {
  if (!existsSync(join(folder, 'package-lock.json')) || existsSync(join(folder, 'node_modules'))) return;
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`npm ci failed in ${folder}`);
}

async function build(): Promise<void> {
  for (const [name, writeModel] of Object.entries(MODELS)) {
    process.stderr.write(`building examples/${name}/${name}.zip\n`);
    const folder = join(EXAMPLES, name);
    await mkdir(folder, { recursive: true });
    await writeModel(folder);
    install(folder);
    await writeArchive(folder, join(folder, `${name}.zip`));
  }
}

build().catch((error: unknown) => {
  process.stderr.write(`examples: ${errorMessage(error)}\n`);
  process.exitCode = 1;
});
