import { relu } from '../models/convolution';
import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import { attended, declareShapes, headsOf, type LayerSizes, normalized } from '../models/transformer-parts';

export interface FastSpeechOptions {
  /** @default 384 */
  hidden?: number;
  /** Blocks of the encoder and of the decoder each. @default 4 */
  layers?: number;
  /** Phonemes of an utterance. @default 32 */
  phonemes?: number;
  /** @default 1 */
  seed?: number;
}

/** Sizes beside the hidden one: different phonemes, kernels of a block's convolutions, bands of a spectrogram. */
const VOCABULARY = 80;
const KERNEL = 3;
const BANDS = 80;
/** Frames of a phoneme. The real one predicts them, which a fixed graph of the same weights does not need. */
const FRAMES = 4;

/**
 * Speech synthesis like FastSpeech 2 (Ren 2021): `phonemes` `[batch, phonemes]` to a spectrogram `[batch, frames, 80]`.
 * Blocks of attention and convolution before and after phonemes are stretched to frames; duration, pitch and energy are
 * predicted between. 31 million weights.
 */
export function fastSpeech(name: string, options: FastSpeechOptions = {}): ModelDefinition {
  const { hidden = 384, layers = 4, phonemes = 32, seed = 1 } = options;
  const sizes: LayerSizes = { hidden, heads: 2, feedForward: 3 * hidden };
  const builder = new GraphBuilder(name, seed);
  declareShapes(builder, sizes);
  const tokens = builder.input({ name: 'phonemes', type: 'int64', dims: ['batch', phonemes], bound: VOCABULARY });
  const table = builder.weight('embedding', [VOCABULARY, hidden], { center: 0, limit: 1.7 });
  let stream = builder.node('embedded', 'Gather', [table, tokens], { axis: 0 });
  for (let at = 0; at < layers; at += 1) stream = block(builder, `encoder${at}`, stream, sizes);
  for (const part of ['duration', 'pitch', 'energy']) stream = predicted(builder, part, stream, hidden);
  stream = stretched(builder, stream);
  for (let at = 0; at < layers; at += 1) stream = block(builder, `decoder${at}`, stream, sizes);
  builder.linear('spectrogram', postNet(builder, stream, hidden), hidden, BANDS);
  builder.output('spectrogram', ['batch', FRAMES * phonemes, BANDS]);
  return builder.finish();
}

/** Attention and two convolutions over time, each added to its input. */
function block(builder: GraphBuilder, name: string, input: string, sizes: LayerSizes): string {
  const { hidden, feedForward } = sizes;
  const part = (which: string, perm: readonly number[]): string =>
    headsOf(builder, `${name}.${which}`, input, hidden, perm);
  const heads = {
    query: part('query', [0, 2, 1, 3]),
    key: part('key', [0, 2, 3, 1]),
    value: part('value', [0, 2, 1, 3]),
  };
  const mixed = builder.node(`${name}.mixed.sum`, 'Add', [input, attended(builder, name, heads, sizes)]);
  const before = normalized(builder, `${name}.mixed.norm`, mixed, hidden);
  const wide = relu(builder, `${name}.wide.relu`, overTime(builder, `${name}.wide`, before, hidden, feedForward));
  const narrow = overTime(builder, `${name}.narrow`, wide, feedForward, hidden);
  return normalized(builder, `${name}.norm`, builder.node(`${name}.sum`, 'Add', [before, narrow]), hidden);
}

/** A convolution over time of `[batch, time, inputs]`. */
function overTime(builder: GraphBuilder, name: string, input: string, inputs: number, outputs: number): string {
  const channels = builder.node(`${name}.channels`, 'Transpose', [input], { perm: [0, 2, 1] });
  const weight = builder.matrix(`${name}.weight`, [outputs, inputs, KERNEL], inputs * KERNEL);
  const convolved = builder.node(`${name}.conv`, 'Conv', [channels, weight, builder.bias(`${name}.bias`, outputs)], {
    kernel_shape: [KERNEL],
    pads: [1, 1],
  });
  return builder.node(name, 'Transpose', [convolved], { perm: [0, 2, 1] });
}

/** A number for each phoneme, embedded and added. */
function predicted(builder: GraphBuilder, name: string, input: string, hidden: number): string {
  let stream = input;
  for (const at of [0, 1]) {
    const layer = `${name}.conv${at}`;
    const active = relu(builder, `${layer}.relu`, overTime(builder, layer, stream, hidden, hidden));
    stream = normalized(builder, `${layer}.norm`, active, hidden);
  }
  const number = builder.linear(`${name}.number`, stream, hidden, 1);
  return builder.node(`${name}.sum`, 'Add', [input, builder.linear(`${name}.embedded`, number, 1, hidden)]);
}

/** Each phoneme repeated for its frames. */
function stretched(builder: GraphBuilder, input: string): string {
  const channels = builder.node('stretch.channels', 'Transpose', [input], { perm: [0, 2, 1] });
  const kept = builder.weight('stretch.kept', [2], { center: 1, limit: 0 });
  const times = builder.weight('stretch.times', [1], { center: FRAMES, limit: 0 });
  const scales = builder.node('stretch.scales', 'Concat', [kept, times], { axis: 0 });
  const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  const repeated = builder.node('stretch.repeated', 'Resize', [channels, '', scales], attributes);
  return builder.node('stretch', 'Transpose', [repeated], { perm: [0, 2, 1] });
}

/** Five convolutions that correct the decoder's output. */
function postNet(builder: GraphBuilder, input: string, hidden: number): string {
  let stream = input;
  for (let at = 0; at < 5; at += 1) {
    const layer = `post${at}`;
    stream = builder.node(`${layer}.tanh`, 'Tanh', [overTime(builder, layer, stream, hidden, hidden)]);
  }
  return builder.node('post.sum', 'Add', [input, stream]);
}
