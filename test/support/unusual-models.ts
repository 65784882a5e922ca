import { create, toBinary } from '@bufbuild/protobuf';
import { floats, node, tensor, valueInfo } from '@tetris/bench';
import {
  DataLocation,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
  type ValueInfoProto,
} from '@tetris/onnx-format/messages';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Width of all of these models: a matrix of bytes is then just large enough to be shared. */
export const WIDTH = 64;

/** Small even numbers around zero, the same for the same seed. */
function numbers(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, index) => ((index * 7919 + seed * 104729) % 61) / 61 - 0.5);
}

export const matrix = (name: string, seed: number): TensorProto =>
  floats(name, [WIDTH, WIDTH], numbers(WIDTH * WIDTH, seed));
const bytes = (name: string, seed: number): TensorProto =>
  tensor(
    name,
    TensorType.INT8,
    [WIDTH, WIDTH],
    Int8Array.from(numbers(WIDTH * WIDTH, seed), (value) => value * 200),
  );

export const row = (name: string): ValueInfoProto => valueInfo(name, TensorType.FLOAT, ['batch', WIDTH]);
export const truth = (name: string): ValueInfoProto => valueInfo(name, TensorType.BOOL, []);

/** From `x` [batch, 64] to `y`, of the same shape unless said otherwise. */
export function model(nodes: NodeProto[], initializer: TensorProto[], graph: Partial<GraphProto> = {}): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: 9n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: create(GraphProtoSchema, {
      name: 'unusual',
      node: nodes,
      initializer,
      input: [row('x')],
      output: [row('y')],
      ...graph,
    } as never),
  });
}

export function body(
  name: string,
  parts: { input: ValueInfoProto[]; output: ValueInfoProto[]; node: NodeProto[]; initializer: TensorProto[] },
): GraphProto {
  return create(GraphProtoSchema, { name, ...parts });
}

/** The `value` of a ConstantOfShape. */
export const constantOf = (number: number): TensorProto => floats('value', [1], [number]);

export const scalar = (name: string, number: number): TensorProto => floats(name, [], [number]);
export const whole = (name: string, number: number): TensorProto =>
  tensor(name, TensorType.INT64, [], BigInt64Array.of(BigInt(number)));

/** int8 weights between QuantizeLinear and DequantizeLinear, as static quantization writes them. */
function staticInt8(): ModelProto {
  const zero = tensor('zero', TensorType.INT8, [], Int8Array.of(0));
  return model(
    [
      node('QuantizeLinear', ['x', 'scale', 'zero'], ['xq']),
      node('DequantizeLinear', ['xq', 'scale', 'zero'], ['xd']),
      node('DequantizeLinear', ['w', 'scale', 'zero'], ['wd']),
      node('MatMul', ['xd', 'wd'], ['y']),
    ],
    [bytes('w', 1), scalar('scale', 0.01), zero],
  );
}

function dynamicInt8(): ModelProto {
  const zero = tensor('zero', TensorType.INT8, [], Int8Array.of(0));
  return model(
    [
      node('DynamicQuantizeLinear', ['x'], ['xq', 'xs', 'xz']),
      node('MatMulInteger', ['xq', 'w', 'xz', 'zero'], ['product']),
      node('Cast', ['product'], ['number'], { to: TensorType.FLOAT }),
      node('Mul', ['xs', 'ws'], ['scale']),
      node('Mul', ['number', 'scale'], ['y']),
    ],
    [bytes('w', 2), zero, scalar('ws', 0.01)],
  );
}

/** Weights of 16 bits: the upper half of a float32 is a bfloat16; as float16 the same bits are small finite numbers. */
function halves(dataType: number): TensorProto {
  const bits = new Uint32Array(Float32Array.from(numbers(WIDTH * WIDTH, 3)).buffer);
  const mask = dataType === TensorType.FLOAT16 ? 0xbbff : 0xffff;
  return tensor(
    'w',
    dataType,
    [WIDTH, WIDTH],
    Uint16Array.from(bits, (word) => (word >>> 16) & mask),
  );
}

function float16(): ModelProto {
  return model(
    [
      node('Cast', ['x'], ['xh'], { to: TensorType.FLOAT16 }),
      node('MatMul', ['xh', 'w'], ['yh']),
      node('Cast', ['yh'], ['y'], { to: TensorType.FLOAT }),
    ],
    [halves(TensorType.FLOAT16)],
  );
}

/** onnxruntime's CPU kernels compute nothing in bfloat16, but they cast it. */
function bfloat16(): ModelProto {
  return model(
    [node('Cast', ['w'], ['wf'], { to: TensorType.FLOAT }), node('MatMul', ['x', 'wf'], ['y'])],
    [halves(TensorType.BFLOAT16)],
  );
}

/** Both branches call their own weight by the same name. */
function branches(): ModelProto {
  const branch = (name: string, seed: number): GraphProto =>
    body(name, {
      input: [],
      output: [row(`${name}_y`)],
      node: [node('MatMul', ['x', 'w'], [`${name}_y`])],
      initializer: [matrix('w', seed)],
    });
  return model(
    [
      node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
      node('Greater', ['sum', 'zero'], ['positive']),
      node('If', ['positive'], ['y'], { then_branch: branch('then', 4), else_branch: branch('else', 5) }),
    ],
    [scalar('zero', 0)],
  );
}

/** A loop of three rounds, and in each a branch: weights two graphs deep. */
function loop(): ModelProto {
  const branch = (name: string, seed: number): GraphProto =>
    body(name, {
      input: [],
      output: [row(`${name}_y`)],
      node: [node('MatMul', ['before', 'w'], [`${name}_p`]), node('Tanh', [`${name}_p`], [`${name}_y`])],
      initializer: [matrix('w', seed)],
    });
  const round = body('round', {
    input: [valueInfo('count', TensorType.INT64, []), truth('go'), row('before')],
    output: [truth('go_on'), row('after')],
    node: [
      node('Identity', ['go'], ['go_on']),
      node('ReduceSum', ['before'], ['sum'], { keepdims: 0 }),
      node('Greater', ['sum', 'zero'], ['positive']),
      node('If', ['positive'], ['after'], { then_branch: branch('then', 6), else_branch: branch('else', 7) }),
    ],
    initializer: [],
  });
  const yes = tensor('yes', TensorType.BOOL, [], Uint8Array.of(1));
  return model(
    [node('Loop', ['rounds', 'yes', 'x'], ['y'], { body: round })],
    [whole('rounds', 3), yes, scalar('zero', 0)],
  );
}

/** Adds up the rows, each through a weight. */
function scan(): ModelProto {
  const vector = (name: string): ValueInfoProto => valueInfo(name, TensorType.FLOAT, [WIDTH]);
  const step = body('step', {
    input: [vector('sum'), vector('element')],
    output: [vector('next'), vector('shown')],
    node: [
      node('MatMul', ['element', 'w'], ['product']),
      node('Add', ['sum', 'product'], ['next']),
      node('Identity', ['next'], ['shown']),
    ],
    initializer: [matrix('w', 8)],
  });
  return model(
    [node('Scan', ['start', 'x'], ['end', 'y'], { body: step, num_scan_inputs: 1 })],
    [floats('start', [WIDTH], numbers(WIDTH, 9))],
  );
}

/** A weight of which every second number is given: onnxruntime loads it and cannot save it with external data. */
export function sparse(): ModelProto {
  const count = 2048;
  const sparseTensor = create(SparseTensorProtoSchema, {
    values: floats('w', [count], numbers(count, 10)),
    indices: tensor(
      '',
      TensorType.INT64,
      [count],
      BigInt64Array.from({ length: count }, (_, index) => BigInt(2 * index)),
    ),
    dims: [BigInt(WIDTH), BigInt(WIDTH)],
  });
  return model([node('MatMul', ['x', 'w'], ['y'])], [], { sparseInitializer: [sparseTensor] });
}

/** Words by the place of the largest number: `y` is [batch]. */
function strings(): ModelProto {
  const words = Array.from({ length: WIDTH }, (_, index) => Buffer.from(`word ${index} ${'long '.repeat(30)}`));
  const list = create(TensorProtoSchema, {
    name: 'words',
    dataType: TensorType.STRING,
    dims: [BigInt(WIDTH)],
    stringData: words,
  });
  return model(
    [
      node('MatMul', ['x', 'w'], ['scores']),
      node('ArgMax', ['scores'], ['place'], { axis: 1, keepdims: 0 }),
      node('Gather', ['words', 'place'], ['y']),
    ],
    [list, matrix('w', 11)],
    { output: [valueInfo('y', TensorType.STRING, ['batch'])] },
  );
}

/**
 * Version 3 of the format lists every initializer among the inputs; the optimizer merges equal ones and folds others.
 */
function listedInitializers(): ModelProto {
  const one = (name: string): TensorProto => floats(name, [1], [1.5]);
  const vector = (name: string, seed: number): TensorProto => floats(name, [WIDTH], numbers(WIDTH, seed));
  const initializer = [matrix('w', 17), one('a'), one('b'), vector('scale', 18), vector('shift', 19)];
  const nodes = [
    node('MatMul', ['x', 'w'], ['product']),
    node('Add', ['product', 'a'], ['sum']),
    node('Mul', ['sum', 'b'], ['scaled']),
    node('Add', ['scale', 'shift'], ['constant']),
    node('Add', ['scaled', 'constant'], ['y']),
  ];
  const listed = initializer.map(({ name, dataType, dims }) => valueInfo(name, dataType, dims.map(Number)));
  const proto = model(nodes, initializer, { input: [row('x'), ...listed] });
  proto.irVersion = 3n;
  return proto;
}

/** A weight and two small tensors that callers may override, equal ones. */
function overridable(): ModelProto {
  const initializer = [matrix('w', 20), floats('a', [1], [1.5]), floats('b', [1], [1.5])];
  const listed = initializer.map(({ name, dataType, dims }) => valueInfo(name, dataType, dims.map(Number)));
  return model(
    [node('MatMul', ['x', 'w'], ['p']), node('Add', ['p', 'a'], ['q']), node('Mul', ['q', 'b'], ['y'])],
    initializer,
    { input: [...listed.slice(0, 1), row('x'), ...listed.slice(1)] },
  );
}

/**
 * A quantized convolution whose kernel saves its packed weights with an empty place before them.
 * @param group 1, or as many as there are channels
 */
function quantizedConvolution(activations: 'INT8' | 'UINT8', weights: 'INT8' | 'UINT8', group: number): ModelProto {
  const kernel = group === 1 ? 1 : 3;
  const inputs = WIDTH / group;
  const values = numbers(WIDTH * inputs * kernel * kernel, 21).map(
    (value) => value * 100 + (weights === 'INT8' ? 0 : 60),
  );
  const data = weights === 'INT8' ? Int8Array.from(values) : Uint8Array.from(values);
  const zero = (name: string, type: 'INT8' | 'UINT8', value: number): TensorProto =>
    tensor(name, TensorType[type], [], type === 'INT8' ? Int8Array.of(value) : Uint8Array.of(value));
  const image = tensor('image', TensorType.INT64, [4], BigInt64Array.of(0n, BigInt(WIDTH), 1n, 1n));
  const flat = tensor('flat', TensorType.INT64, [2], BigInt64Array.of(0n, BigInt(WIDTH)));
  const scales = ['xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz'];
  return model(
    [
      node('QuantizeLinear', ['x', 'xs', 'xz'], ['xq']),
      node('Reshape', ['xq', 'image'], ['xi']),
      node('QLinearConv', ['xi', ...scales], ['yi'], { group, pads: Array<number>(4).fill((kernel - 1) / 2) }),
      node('Reshape', ['yi', 'flat'], ['yq']),
      node('DequantizeLinear', ['yq', 'ys', 'yz'], ['y']),
    ],
    [
      tensor('w', TensorType[weights], [WIDTH, inputs, kernel, kernel], data),
      ...[scalar('xs', 0.01), scalar('ws', 0.02), scalar('ys', 0.03), image, flat],
      ...[zero('xz', activations, 3), zero('wz', weights, weights === 'INT8' ? 0 : 60), zero('yz', activations, 5)],
    ],
  );
}

/** Quantized layers of a mebibyte each, of a kernel that packs for every session anew. */
export function quantizedLayers(count: number): ModelProto {
  const width = 1024;
  const zero = (name: string): TensorProto => tensor(name, TensorType.INT8, [], Int8Array.of(0));
  const image = tensor('image', TensorType.INT64, [4], BigInt64Array.of(0n, BigInt(width), 1n, 1n));
  const layers = Array.from({ length: count }, (_, index) => {
    const values = Int8Array.from({ length: width * width }, (_value, at) => ((at * 31 + index * 17) % 201) - 100);
    const inputs = [`q${index}`, 's', 'z', `w${index}`, 's', 'z', 's', 'z'];
    return {
      node: node('QLinearConv', inputs, [`q${index + 1}`]),
      weight: tensor(`w${index}`, TensorType.INT8, [width, width, 1, 1], values),
    };
  });
  return model(
    [
      node('QuantizeLinear', ['x', 's', 'z'], ['flat']),
      node('Reshape', ['flat', 'image'], ['q0']),
      ...layers.map((layer) => layer.node),
      node('DequantizeLinear', [`q${count}`, 's', 'z'], ['y']),
    ],
    [scalar('s', 0.02), zero('z'), image, ...layers.map(({ weight }) => weight)],
    {
      input: [valueInfo('x', TensorType.FLOAT, ['batch', width])],
      output: [valueInfo('y', TensorType.FLOAT, ['batch', width, 1, 1])],
    },
  );
}

function small(): ModelProto {
  return model([node('Add', ['x', 'b'], ['y'])], [floats('b', [WIDTH], numbers(WIDTH, 12))]);
}

/** Very many tensors, each just large enough to be a file of its own where they are taken from 256 bytes on. */
export function manyTensors(count: number): ModelProto {
  const adds = Array.from({ length: count }, (_, index) =>
    node('Add', [index === 0 ? 'x' : `s${index - 1}`, `b${index}`], [index === count - 1 ? 'y' : `s${index}`]),
  );
  // Each its own content: otherwise they would be one file.
  const biases = adds.map((_, index) => floats(`b${index}`, [WIDTH], [index / count, ...numbers(WIDTH - 1, 13)]));
  return model(adds, biases);
}

/** A weight of a branch by the name of one outside of it, which both branches hide. */
export function hidden(): ModelProto {
  const branch = (name: string, seed: number): GraphProto =>
    body(name, {
      input: [],
      output: [row(`${name}_y`)],
      node: [node('MatMul', ['p', 'w'], [`${name}_y`])],
      initializer: [matrix('w', seed)],
    });
  return model(
    [
      node('MatMul', ['x', 'w'], ['p']),
      node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
      node('Greater', ['sum', 'zero'], ['positive']),
      node('If', ['positive'], ['y'], { then_branch: branch('then', 22), else_branch: branch('else', 23) }),
    ],
    [matrix('w', 24), scalar('zero', 0)],
  );
}

/** Sub-graphs whose weights are also their outputs. */
function returnedWeight(): ModelProto {
  const branch = (name: string, seed: number): GraphProto =>
    body(name, {
      input: [],
      output: [valueInfo('w', TensorType.FLOAT, [WIDTH, WIDTH])],
      node: [],
      initializer: [matrix('w', seed)],
    });
  return model(
    [
      node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
      node('Greater', ['sum', 'zero'], ['positive']),
      node('If', ['positive'], ['w'], { then_branch: branch('then', 14), else_branch: branch('else', 15) }),
      node('MatMul', ['x', 'w'], ['y']),
    ],
    [scalar('zero', 0)],
  );
}

/** Unusual ways to hold weights, by name, and whether large tensors are left to share after optimization. */
export const UNUSUAL_MODELS: Readonly<Record<string, { make: () => ModelProto; shared: boolean }>> = {
  'int8, static (QDQ)': { make: staticInt8, shared: true },
  'int8, dynamic': { make: dynamicInt8, shared: true },
  fp16: { make: float16, shared: true },
  bf16: { make: bfloat16, shared: true },
  'If with weights in its branches': { make: branches, shared: true },
  'Loop around If with weights': { make: loop, shared: false },
  'Scan with a weight in its body': { make: scan, shared: true },
  'initializers listed as inputs (IR 3)': { make: listedInitializers, shared: true },
  'initializers that callers may override': { make: overridable, shared: true },
  'QLinearConv of int8 by int8': { make: () => quantizedConvolution('INT8', 'INT8', 1), shared: true },
  'QLinearConv of uint8 by uint8': { make: () => quantizedConvolution('UINT8', 'UINT8', 1), shared: true },
  'QLinearConv of uint8 by int8': { make: () => quantizedConvolution('UINT8', 'INT8', 1), shared: true },
  'QLinearConv by depth, uint8 by uint8': { make: () => quantizedConvolution('UINT8', 'UINT8', WIDTH), shared: true },
  'QLinearConv by depth, int8 by int8': { make: () => quantizedConvolution('INT8', 'INT8', WIDTH), shared: true },
  'a weight that a branch returns': { make: returnedWeight, shared: true },
  'strings beside a weight': { make: strings, shared: true },
  'no large tensor': { make: small, shared: false },
};

export function writeModelProto(path: string, proto: ModelProto): void {
  writeFileSync(path, toBinary(ModelProtoSchema, proto));
}

/** Writes a model with its weight in a file beside it. @returns the path of the model */
export function writeExternal(folder: string, name: string): string {
  const weight = matrix('w', 16);
  writeFileSync(join(folder, `${name}.data`), Buffer.concat([Buffer.alloc(4096), weight.rawData]));
  const entries = { location: `${name}.data`, offset: '4096', length: String(weight.rawData.length) };
  const external = create(TensorProtoSchema, {
    name: 'w',
    dataType: TensorType.FLOAT,
    dims: [BigInt(WIDTH), BigInt(WIDTH)],
    dataLocation: DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, text]) =>
      create(StringStringEntryProtoSchema, { key, value: text }),
    ),
  });
  const path = join(folder, `${name}.onnx`);
  writeModelProto(path, model([node('MatMul', ['x', 'w'], ['y'])], [external]));
  return path;
}
