/** Every way in which a model's own file can hold its weights, and what else these can be in the graph. */
import { create } from '@bufbuild/protobuf';
import {
  type SparseTensorProto,
  SparseTensorProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
} from '@tetris/onnx-format/messages';
import { floats, integers, node, tensor, valueInfo } from '../../models/messages';
import { type CorpusModel, modelOf, type ModelParts } from './corpus-model';
import { drawn } from './typed-data';
import { CARRIED_TYPES } from './types';

const WIDTH = 64;

export function* initializerModels(seed: number): Generator<CorpusModel> {
  for (const [type, dataType] of Object.entries(CARRIED_TYPES)) {
    const table = drawn('w', dataType, [96, WIDTH], seed);
    const constant = node('Constant', [], ['w'], { value: table });
    yield gather(`constant-${type}`, dataType, { nodes: [constant] });
    if (type !== 'string') yield gather(`fields-${type}`, dataType, { initializers: [inFields(table)] });
  }
  for (const [name, parts] of Object.entries(roles(seed))) {
    yield { name: `initializers/${name}`, model: modelOf({ ...product(), ...parts }) };
  }
  for (const bytes of [64, 68, 128, 4092, 4096, 4100]) {
    yield { name: `initializers/of-${bytes}-bytes`, model: modelOf(bias(bytes / 4, seed)) };
  }
  for (const count of [2, 30, 200]) {
    yield { name: `initializers/${count}-biases`, model: modelOf(biases(count, seed)) };
  }
}

function gather(name: string, dataType: number, { nodes = [], initializers = [] }: Partial<ModelParts>): CorpusModel {
  const model = modelOf({
    nodes: [...nodes, node('Gather', ['w', 'place'], ['y'])],
    inputs: [valueInfo('place', TensorType.INT64, ['batch'])],
    outputs: [valueInfo('y', dataType, ['batch', WIDTH])],
    initializers,
  });
  return { name: `initializers/${name}`, model, ranges: { place: [0, 95] } };
}

const rows = (name: string, width = WIDTH): ReturnType<typeof valueInfo> =>
  valueInfo(name, TensorType.FLOAT, ['batch', width]);

/** `y = x w`. */
function product(width = WIDTH): ModelParts {
  return { nodes: [node('MatMul', ['x', 'w'], ['y'])], inputs: [rows('x', width)], outputs: [rows('y', width)] };
}

/** What differs from a plain product. */
function roles(seed: number): Record<string, Partial<ModelParts>> {
  const matrix = (name: string, of = name, width = WIDTH): TensorProto =>
    Object.assign(drawn(of, TensorType.FLOAT, [width, width], seed), { name });
  const whole = valueInfo('w', TensorType.FLOAT, [WIDTH, WIDTH]);
  const w = matrix('w');
  const twice = [node('MatMul', ['x', 'w'], ['h']), node('MatMul', ['h', 'v'], ['y'])];
  return {
    plain: { initializers: [w] },
    overridable: { inputs: [rows('x'), whole], initializers: [w] },
    'overridable-first': { inputs: [whole, rows('x')], initializers: [w] },
    unused: { initializers: [w, matrix('nobody')] },
    output: { outputs: [rows('y'), whole], initializers: [w] },
    'output-first': { outputs: [whole, rows('y')], initializers: [w] },
    duplicated: { nodes: twice, initializers: [w, matrix('v', 'w')] },
    different: { nodes: twice, initializers: [w, matrix('v')] },
    'used-twice': { nodes: [node('MatMul', ['x', 'w'], ['h']), node('MatMul', ['h', 'w'], ['y'])], initializers: [w] },
    transposed: {
      nodes: [node('Transpose', ['w'], ['v'], { perm: [1, 0] }), node('MatMul', ['x', 'v'], ['y'])],
      initializers: [w],
    },
    folded: {
      nodes: [node('Mul', ['w', 'two'], ['v']), node('MatMul', ['x', 'v'], ['y'])],
      initializers: [w, floats('two', [], [2])],
    },
    'folded-to-output': {
      nodes: [node('MatMul', ['x', 'w'], ['y']), node('Mul', ['w', 'two'], ['v'])],
      outputs: [rows('y'), valueInfo('v', TensorType.FLOAT, [WIDTH, WIDTH])],
      initializers: [w, floats('two', [], [2])],
    },
    empty: {
      nodes: [node('Concat', ['w', 'none'], ['v'], { axis: 0 }), node('MatMul', ['x', 'v'], ['y'])],
      initializers: [w, floats('none', [0, WIDTH], [])],
    },
    'beside-a-shape': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Reshape', ['h', 'shape'], ['y'])],
      outputs: [valueInfo('y', TensorType.FLOAT, ['batch', 8, 8])],
      initializers: [w, integers('shape', [-1, 8, 8])],
    },
    'large-indices': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Gather', ['h', 'order'], ['y'], { axis: 1 })],
      outputs: [rows('y', 1024)],
      initializers: [
        w,
        integers(
          'order',
          Array.from({ length: 1024 }, (_, index) => (index * 7) % WIDTH),
        ),
      ],
    },
    sparse: { graph: { sparseInitializer: [sparse(seed)] } },
    'named-oddly': { nodes: [node('MatMul', ['x', 'a/b:0 ü'], ['y'])], initializers: [matrix('a/b:0 ü', 'w')] },
    'name-of-a-path': { nodes: [node('MatMul', ['x', '../w'], ['y'])], initializers: [matrix('../w', 'w')] },
    'not-finite': { initializers: [Object.assign(notFinite(), { name: 'w' })] },
    '1-by-1-large': {
      nodes: [node('Mul', ['x', 'w'], ['y'])],
      initializers: [drawn('w', TensorType.FLOAT, [1, WIDTH], seed)],
    },
    'other-weights-of-equal-bytes': { nodes: twice, initializers: [w, zeros('v', TensorType.FLOAT)] },
  };
}

function zeros(name: string, dataType: number): TensorProto {
  return tensor(name, dataType, [WIDTH, WIDTH], new Float32Array(WIDTH * WIDTH));
}

function notFinite(): TensorProto {
  const values = Array.from(
    { length: WIDTH * WIDTH },
    (_, index) => [0, -0, Infinity, NaN, 1e-45, 3e38][index % 6] ?? 0,
  );
  return floats('w', [WIDTH, WIDTH], values);
}

/** Every second number of a matrix. */
function sparse(seed: number): SparseTensorProto {
  const count = (WIDTH * WIDTH) / 2;
  return create(SparseTensorProtoSchema, {
    values: drawn('w', TensorType.FLOAT, [count], seed),
    indices: integers(
      '',
      Array.from({ length: count }, (_, index) => 2 * index),
    ),
    dims: [BigInt(WIDTH), BigInt(WIDTH)],
  });
}

function bias(count: number, seed: number): ModelParts {
  return {
    nodes: [node('Add', ['x', 'b'], ['y'])],
    inputs: [rows('x', count)],
    outputs: [rows('y', count)],
    initializers: [drawn('b', TensorType.FLOAT, [count], seed)],
  };
}

function biases(count: number, seed: number): ModelParts {
  const names = Array.from({ length: count }, (_, index) => `b${index}`);
  return {
    nodes: names.map((name, index) =>
      node('Add', [index === 0 ? 'x' : `s${index - 1}`, name], [index === count - 1 ? 'y' : `s${index}`]),
    ),
    inputs: [rows('x', 1024)],
    outputs: [rows('y', 1024)],
    initializers: names.map((name) => drawn(name, TensorType.FLOAT, [1024], seed)),
  };
}

/** As writers do that know no raw bytes: in the field of the element type. */
function inFields({ name, dataType, dims, rawData }: TensorProto): TensorProto {
  const { buffer, byteOffset, byteLength } = Buffer.from(rawData);
  const over = <T>(View: new (buffer: ArrayBufferLike, offset: number, length: number) => T, bytes: number): T =>
    new View(buffer.slice(byteOffset, byteOffset + byteLength), 0, byteLength / bytes);
  const fields = create(TensorProtoSchema, { name, dataType, dims });
  switch (dataType) {
    case TensorType.FLOAT:
      return Object.assign(fields, { floatData: [...over(Float32Array, 4)] });
    case TensorType.DOUBLE:
      return Object.assign(fields, { doubleData: [...over(Float64Array, 8)] });
    case TensorType.INT64:
      return Object.assign(fields, { int64Data: [...over(BigInt64Array, 8)] });
    case TensorType.UINT64:
      return Object.assign(fields, { uint64Data: [...over(BigUint64Array, 8)] });
    case TensorType.UINT32:
      return Object.assign(fields, { uint64Data: Array.from(over(Uint32Array, 4), BigInt) });
    case TensorType.INT32:
      return Object.assign(fields, { int32Data: [...over(Int32Array, 4)] });
    case TensorType.INT16:
      return Object.assign(fields, { int32Data: [...over(Int16Array, 2)] });
    case TensorType.UINT16:
    case TensorType.FLOAT16:
      return Object.assign(fields, { int32Data: [...over(Uint16Array, 2)] });
    case TensorType.INT8:
      return Object.assign(fields, { int32Data: [...over(Int8Array, 1)] });
    default:
      return Object.assign(fields, { int32Data: [...over(Uint8Array, 1)] });
  }
}
