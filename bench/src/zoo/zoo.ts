/**
 * The models of the paper's evaluation (Tetris, USENIX ATC '22), built by code at the shapes of the published
 * architectures, weights drawn from a seed. What an architecture leaves open is chosen so that the size comes near the
 * paper's.
 */
import type { ModelDefinition } from '../models/graph-builder';
import { resnet } from '../models/resnet';
import { textCnn } from '../models/small-models';
import { transformer } from '../models/transformer';
import { vgg16 } from '../models/vgg';
import { bigTransfer } from './big-transfer';
import { centernet } from './hourglass';
import { inceptionResnetV2, inceptionV3 } from './inception';
import { mobilenetV2, ssdMobilenet } from './mobile';
import { lenet } from './lenet';
import { fastSpeech } from './speech';
import { dssm, sentenceEncoder, speechToText } from './text';

export interface ZooModel {
  /** Size of the paper's model of that name, MB; undefined where it names none. */
  paperMb: number | undefined;
  /** Written with its weights in a file beside it: over protobuf's 2 GiB. @default false */
  external?: boolean;
  define(name: string): ModelDefinition;
}

const RESNET_101 = [3, 4, 23, 3];
const RESNET_152 = [3, 8, 36, 3];

/** Word pieces of BERT's own vocabulary. */
const BERT_VOCABULARY = 30_522;

/** By name, the smallest first. */
export const ZOO: Readonly<Record<string, ZooModel>> = {
  textcnn: { paperMb: 11, define: (name) => textCnn(name) },
  'mobilenet-v2': { paperMb: undefined, define: (name) => mobilenetV2(name) },
  lenet: { paperMb: 23, define: (name) => lenet(name) },
  dssm: { paperMb: 25, define: (name) => dssm(name) },
  ssd: { paperMb: 29, define: (name) => ssdMobilenet(name) },
  'inception-v3': { paperMb: 92, define: (name) => inceptionV3(name) },
  resnet50: { paperMb: undefined, define: (name) => resnet(name) },
  fastspeech2: { paperMb: 119, define: (name) => fastSpeech(name) },
  resnet101: { paperMb: 171, define: (name) => resnet(name, { stages: RESNET_101 }) },
  stt: { paperMb: 176, define: (name) => speechToText(name) },
  'inception-resnet-v2': { paperMb: 214, define: (name) => inceptionResnetV2(name) },
  resnet152: { paperMb: 231, define: (name) => resnet(name, { stages: RESNET_152 }) },
  bert: { paperMb: 392, define: (name) => transformer(name, { vocabulary: BERT_VOCABULARY }) },
  'bert-qa': { paperMb: 392, define: (name) => transformer(name, { vocabulary: BERT_VOCABULARY, head: 'spans' }) },
  vgg16: { paperMb: 549, define: (name) => vgg16(name) },
  centernet: { paperMb: 731, define: (name) => centernet(name) },
  use: { paperMb: 980, define: (name) => sentenceEncoder(name) },
  'bert-large': {
    paperMb: 1_300,
    define: (name) => transformer(name, { layers: 24, hidden: 1024, heads: 16, vocabulary: BERT_VOCABULARY }),
  },
  'bit-l': { paperMb: 1_300, define: (name) => bigTransfer(name, { stages: [3, 4, 6, 3], times: 3, labels: 21_843 }) },
  'bit-s': { paperMb: 1_800, define: (name) => bigTransfer(name, { stages: RESNET_101, times: 3, labels: 10_000 }) },
  'bit-m': {
    paperMb: 3_500,
    external: true,
    define: (name) => bigTransfer(name, { stages: RESNET_152, times: 4, labels: 1_000 }),
  },
};

/** @throws RangeError that lists the models there are */
export function zooModel(name: string): ZooModel {
  const model = Object.hasOwn(ZOO, name) ? ZOO[name] : undefined;
  if (model === undefined) throw new RangeError(`no model named '${name}'; there are: ${Object.keys(ZOO).join(', ')}`);
  return model;
}
