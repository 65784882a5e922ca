/** Weights in files beside the model: where these can lie, and what can be said of a tensor's place in them. */
import { create } from '@bufbuild/protobuf';
import {
  DataLocation,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
} from '@tetris/onnx-format/messages';
import { node, valueInfo } from '../../models/messages';
import { type CorpusModel, graphOf, modelOf } from './corpus-model';
import { drawn } from './typed-data';
import { CARRIED_TYPES } from './types';

const WIDTH = 64;

export function* externalDataModels(seed: number): Generator<CorpusModel> {
  for (const [type, dataType] of Object.entries(CARRIED_TYPES)) {
    if (type === 'string') continue;
    const place = valueInfo('place', TensorType.INT64, ['batch']);
    const output = valueInfo('y', dataType, ['batch', WIDTH]);
    const nodes = [node('Gather', ['w', 'place'], ['y'])];
    const { tensors, files } = external([drawn('w', dataType, [96, WIDTH], seed)], () => 'w.bin');
    const model = modelOf({ nodes, inputs: [place], outputs: [output], initializers: tensors });
    yield { name: `external-data/${type}`, model, files, ranges: { place: [0, 95] } };
  }
  for (const [name, location] of Object.entries(LOCATIONS)) {
    yield products(`external-data/at-${name}`, 2, seed, () => location);
  }
  for (const gap of [8, 100, 4096]) yield products(`external-data/gaps-of-${gap}`, 3, seed, () => 'w.bin', { gap });
  yield products('external-data/without-length', 1, seed, () => 'w.bin', { lengths: false });
  yield products('external-data/without-offset', 1, seed, () => 'w.bin', { offsets: false });
  yield products('external-data/in-70-files', 70, seed, (index) => `w${index}.bin`, { width: 8 });
  yield products('external-data/in-30-folders', 30, seed, (index) => `layer.${index}/weights/w`, { width: 33 });
  yield products('external-data/small', 3, seed, () => 'w.bin', { width: 5 });
  yield branches(seed);
  yield* damaged(seed);
}

const LOCATIONS: Readonly<Record<string, string>> = {
  'sub-folder': 'weights/w0.bin',
  'deep-folder': 'a/b/c/d/w',
  dot: './w.bin',
  'odd-name': 'modèle ü.bin',
  space: 'my weights.data',
  'no-extension': 'W',
};

interface Layout {
  /** Bytes of nothing before each tensor. */
  gap?: number;
  offsets?: boolean;
  lengths?: boolean;
}

/** Moves tensors' bytes into files. @param locationOf by the tensor's index */
function external(
  tensors: readonly TensorProto[],
  locationOf: (index: number) => string,
  { gap = 0, offsets = true, lengths = true }: Layout = {},
): { tensors: TensorProto[]; files: Record<string, Uint8Array> } {
  const files: Record<string, Uint8Array> = {};
  const moved = tensors.map(({ name, dataType, dims, rawData }, index) => {
    const location = locationOf(index);
    const before = Buffer.concat([files[location] ?? Buffer.alloc(0), Buffer.alloc(gap, 0xee)]);
    files[location] = Buffer.concat([before, rawData]);
    const entries = {
      location,
      ...(offsets ? { offset: String(before.length) } : {}),
      ...(lengths ? { length: String(rawData.length) } : {}),
    };
    const externalData = Object.entries(entries).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    );
    return create(TensorProtoSchema, { name, dataType, dims, externalData, dataLocation: DataLocation.EXTERNAL });
  });
  return { tensors: moved, files };
}

/** One product after the other. */
function products(
  name: string,
  count: number,
  seed: number,
  locationOf: (index: number) => string,
  { width = WIDTH, ...layout }: Layout & { width?: number } = {},
): CorpusModel {
  const weights = Array.from({ length: count }, (_, index) =>
    drawn(`w${index}`, TensorType.FLOAT, [width, width], seed, [-0.2, 0.2]),
  );
  const { tensors, files } = external(weights, locationOf, layout);
  const nodes = weights.map((weight, index) =>
    node('MatMul', [index === 0 ? 'x' : `h${index - 1}`, weight.name], [index === count - 1 ? 'y' : `h${index}`]),
  );
  const [x, y] = ['x', 'y'].map((value) => valueInfo(value, TensorType.FLOAT, ['batch', width]));
  if (x === undefined || y === undefined) throw new RangeError('a product has one input and one output');
  return { name, model: modelOf({ nodes, inputs: [x], outputs: [y], initializers: tensors }), files };
}

/** External weights inside the branches of an If. */
function branches(seed: number): CorpusModel {
  const names = ['then', 'else'];
  const weights = names.map((name) => drawn(`${name}_w`, TensorType.FLOAT, [WIDTH, WIDTH], seed));
  const { tensors, files } = external(weights, (index) => `branch${index}.bin`);
  const [then, otherwise] = names.map((name, index) =>
    graphOf({
      nodes: [node('MatMul', ['x', `${name}_w`], [`${name}_y`])],
      inputs: [],
      outputs: [valueInfo(`${name}_y`, TensorType.FLOAT, ['batch', WIDTH])],
      initializers: tensors.slice(index, index + 1),
    }),
  );
  if (then === undefined || otherwise === undefined) throw new RangeError('an If has two branches');
  const model = modelOf({
    nodes: [node('If', ['which'], ['y'], { then_branch: then, else_branch: otherwise })],
    inputs: [valueInfo('which', TensorType.BOOL, []), valueInfo('x', TensorType.FLOAT, ['batch', WIDTH])],
    outputs: [valueInfo('y', TensorType.FLOAT, ['batch', WIDTH])],
  });
  return { name: 'external-data/in-branches', model, files };
}

/** What plain onnxruntime refuses, or does not. */
function* damaged(seed: number): Generator<CorpusModel> {
  const whole = products('external-data/damaged', 2, seed, () => 'w.bin');
  const bytes = whole.files?.['w.bin'] ?? new Uint8Array();
  yield { ...whole, name: 'external-data/damaged-missing', files: {} };
  yield { ...whole, name: 'external-data/damaged-cut', files: { 'w.bin': bytes.subarray(0, 20_000) } };
  yield { ...whole, name: 'external-data/damaged-empty', files: { 'w.bin': new Uint8Array() } };
  for (const location of ['../w.bin', '/nowhere/w.bin', 'a/../../w.bin', 'a/../w.bin', '']) {
    const { model } = products('', 1, seed, () => location);
    const label = location.replaceAll('..', 'up').replaceAll(/\W+/g, '-') || 'nothing';
    yield { name: `external-data/damaged-at-${label}`, model, files: { 'w.bin': bytes, 'a/placeholder': bytes } };
  }
}
