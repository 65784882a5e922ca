/** The project's own corpus: small models of every kind that are made by code, the same ones for the same seed. */
import { architectureModels } from './architectures';
import { collectionModels } from './collections';
import { controlFlowModels } from './control-flow';
import { type CorpusModel, writeCorpusModel } from './corpus-model';
import { damagedModels } from './damaged';
import { externalDataModels } from './external-data';
import { initializerModels } from './initializers';
import { interfaceModels } from './interfaces';
import { operatorModels } from './operators';
import { quantizedModels } from './quantized';
import { typeModels } from './types';
import { versionModels } from './versions';

const FAMILIES: readonly ((seed: number) => Iterable<CorpusModel>)[] = [
  typeModels,
  versionModels,
  initializerModels,
  externalDataModels,
  interfaceModels,
  operatorModels,
  quantizedModels,
  controlFlowModels,
  collectionModels,
  architectureModels,
  damagedModels,
];

/** All models of the corpus, one after the other. */
export function* corpusModels(seed: number): Generator<CorpusModel> {
  for (const family of FAMILIES) yield* family(seed);
}

/** Writes the corpus into a folder, in the layout of ONNX's backend tests. */
export async function writeCorpus(folder: string, seed: number): Promise<void> {
  for (const model of corpusModels(seed)) await writeCorpusModel(model, folder, seed);
}
