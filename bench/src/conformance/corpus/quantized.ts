/** Quantized models as the quantizers write them, and half precision. */
import { type NodeProto, type TensorProto, TensorType } from '@tetris/onnx-format/messages';
import { node, valueInfo } from '../../models/messages';
import { type CorpusModel, modelOf, type ModelParts } from './corpus-model';
import { drawn, type Range } from './typed-data';

const { FLOAT, INT8, UINT8, INT16, UINT16, INT32, FLOAT16, BFLOAT16, DOUBLE, INT4, UINT4 } = TensorType;
const BYTES = { u8: UINT8, s8: INT8 } as const;
const WIDTH = 64;

/** Types of activations and weights: what onnxruntime's quantizers offer. */
const PAIRS = [
  ['u8', 'u8'],
  ['u8', 's8'],
  ['s8', 's8'],
] as const;

/** Channels in and out, and groups, of convolutions: small, large, depthwise. */
const CONVOLUTIONS = {
  small: { inputs: 3, outputs: 4, groups: 1 },
  large: { inputs: 32, outputs: 32, groups: 1 },
  depthwise: { inputs: 512, outputs: 512, groups: 512 },
  grouped: { inputs: 32, outputs: 64, groups: 4 },
} as const;

export function* quantizedModels(seed: number): Generator<CorpusModel> {
  for (const [activations, weights] of PAIRS) {
    const types = { x: BYTES[activations], w: BYTES[weights] };
    for (const perChannel of [false, true]) {
      const kind = `${activations}${weights}-${perChannel ? 'per-channel' : 'per-tensor'}`;
      yield { name: `quantized/qdq-matmul-${kind}`, model: modelOf(qdqMatMul(types, perChannel, seed)) };
      for (const [size, shape] of Object.entries(CONVOLUTIONS)) {
        yield { name: `quantized/qdq-conv-${size}-${kind}`, model: modelOf(qdqConv(types, shape, perChannel, seed)) };
        yield {
          name: `quantized/qlinear-conv-${size}-${kind}`,
          model: modelOf(qLinearConv(types, shape, perChannel, seed)),
        };
      }
    }
    for (const width of [16, WIDTH]) {
      yield {
        name: `quantized/qlinear-matmul-${activations}${weights}-${width}`,
        model: modelOf(qLinearMatMul(types, width, seed)),
      };
    }
  }
  for (const [weights, type] of Object.entries(BYTES)) {
    for (const width of [16, WIDTH]) {
      yield { name: `quantized/dynamic-matmul-${weights}-${width}`, model: modelOf(dynamicMatMul(type, width, seed)) };
      yield { name: `quantized/dynamic-fused-${weights}-${width}`, model: modelOf(dynamicFused(type, width, seed)) };
    }
    yield { name: `quantized/conv-integer-${weights}`, model: modelOf(convInteger(type, seed)) };
  }
  for (const blockSize of [16, 32, 64, 128]) {
    for (const zeroPoints of [false, true]) {
      const kind = `${blockSize}${zeroPoints ? '-zero-points' : ''}`;
      yield { name: `quantized/matmul-4-bits-${kind}`, model: modelOf(matMulNBits(4, blockSize, zeroPoints, 0, seed)) };
      yield {
        name: `quantized/matmul-4-bits-${kind}-int8`,
        model: modelOf(matMulNBits(4, blockSize, zeroPoints, 4, seed)),
      };
      yield { name: `quantized/matmul-8-bits-${kind}`, model: modelOf(matMulNBits(8, blockSize, zeroPoints, 0, seed)) };
    }
  }
  for (const [name, type] of Object.entries({ int4: INT4, uint4: UINT4, int16: INT16, uint16: UINT16, int8: INT8 })) {
    yield { name: `quantized/weight-only-${name}`, model: modelOf(weightOnly(type, seed)) };
  }
  for (const [name, type] of Object.entries({ fp16: FLOAT16, bf16: BFLOAT16, fp64: DOUBLE })) {
    for (const cast of ['weight', 'activation'] as const) {
      yield { name: `quantized/${name}-cast-${cast}`, model: modelOf(halfPrecision(type, cast, seed)) };
    }
  }
}

interface Types {
  x: number;
  w: number;
}

const rangeOf = (type: number): Range => (type === UINT8 || type === UINT4 ? [0, 15] : [-8, 7]);
const rows = (name: string, width: number = WIDTH): ReturnType<typeof valueInfo> =>
  valueInfo(name, FLOAT, ['batch', width]);
const scale = (name: string, dims: readonly number[], seed: number): TensorProto =>
  drawn(name, FLOAT, dims, seed, [0.01, 0.05]);
const zero = (name: string, type: number, dims: readonly number[] = []): TensorProto =>
  drawn(name, type, dims, 1, [0, 0]);
/** In the middle of the unsigned types. */
const middle = (name: string, type: number, dims: readonly number[] = []): TensorProto =>
  type === UINT8 ? drawn(name, type, dims, 1, [8, 8]) : zero(name, type, dims);

const quantize = (from: string, to: string, by: string): NodeProto =>
  node('QuantizeLinear', [from, `${by}_scale`, `${by}_zero`], [to]);
const dequantize = (from: string, to: string, by: string, axis?: number): NodeProto =>
  node('DequantizeLinear', [from, `${by}_scale`, `${by}_zero`], [to], axis === undefined ? {} : { axis });

/** Scales and zero points of activations `x` and results `y`. */
function activationScales({ x }: Types, seed: number): TensorProto[] {
  return ['x', 'y'].flatMap((name) => [scale(`${name}_scale`, [], seed), middle(`${name}_zero`, x)]);
}

function qdqMatMul(types: Types, perChannel: boolean, seed: number): ModelParts {
  const channels = perChannel ? [WIDTH] : [];
  return {
    nodes: [
      quantize('x', 'xq', 'x'),
      dequantize('xq', 'xd', 'x'),
      dequantize('w', 'wd', 'w', perChannel ? 1 : undefined),
      node('MatMul', ['xd', 'wd'], ['product']),
      quantize('product', 'yq', 'y'),
      dequantize('yq', 'y', 'y'),
    ],
    inputs: [rows('x')],
    outputs: [rows('y')],
    initializers: [
      drawn('w', types.w, [WIDTH, WIDTH], seed, rangeOf(types.w)),
      scale('w_scale', channels, seed),
      middle('w_zero', types.w, channels),
      ...activationScales(types, seed),
    ],
  };
}

interface ConvShape {
  inputs: number;
  outputs: number;
  groups: number;
}

const IMAGE = 6;
const image = (name: string, channels: number, type: number = FLOAT, size = IMAGE): ReturnType<typeof valueInfo> =>
  valueInfo(name, type, ['batch', channels, size, size]);

function convWeights({ x, w }: Types, shape: ConvShape, perChannel: boolean, seed: number): TensorProto[] {
  const { inputs, outputs, groups } = shape;
  const channels = perChannel ? [outputs] : [];
  return [
    drawn('w', w, [outputs, inputs / groups, 3, 3], seed, rangeOf(w)),
    scale('w_scale', channels, seed),
    zero('w_zero', w, channels),
    drawn('b', INT32, [outputs], seed),
    ...activationScales({ x, w }, seed),
  ];
}

function qdqConv(types: Types, shape: ConvShape, perChannel: boolean, seed: number): ModelParts {
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], group: shape.groups };
  return {
    nodes: [
      quantize('x', 'xq', 'x'),
      dequantize('xq', 'xd', 'x'),
      dequantize('w', 'wd', 'w', perChannel ? 0 : undefined),
      node('Conv', ['xd', 'wd'], ['conv'], attributes),
      quantize('conv', 'yq', 'y'),
      dequantize('yq', 'y', 'y'),
    ],
    inputs: [image('x', shape.inputs)],
    outputs: [image('y', shape.outputs)],
    initializers: convWeights(types, shape, perChannel, seed).filter(({ name }) => name !== 'b'),
  };
}

function qLinearConv(types: Types, shape: ConvShape, perChannel: boolean, seed: number): ModelParts {
  const inputs = ['xq', 'x_scale', 'x_zero', 'w', 'w_scale', 'w_zero', 'y_scale', 'y_zero', 'b'];
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], group: shape.groups };
  return {
    nodes: [quantize('x', 'xq', 'x'), node('QLinearConv', inputs, ['yq'], attributes), dequantize('yq', 'y', 'y')],
    inputs: [image('x', shape.inputs)],
    outputs: [image('y', shape.outputs)],
    initializers: convWeights(types, shape, perChannel, seed),
  };
}

function qLinearMatMul(types: Types, width: number, seed: number): ModelParts {
  const inputs = ['xq', 'x_scale', 'x_zero', 'w', 'w_scale', 'w_zero', 'y_scale', 'y_zero'];
  return {
    nodes: [quantize('x', 'xq', 'x'), node('QLinearMatMul', inputs, ['yq']), dequantize('yq', 'y', 'y')],
    inputs: [rows('x', width)],
    outputs: [rows('y', width)],
    initializers: [
      drawn('w', types.w, [width, width], seed, rangeOf(types.w)),
      scale('w_scale', [], seed),
      middle('w_zero', types.w),
      ...activationScales(types, seed),
    ],
  };
}

/** As `quantize_dynamic` writes a product. */
function dynamicMatMul(type: number, width: number, seed: number): ModelParts {
  return {
    nodes: [
      node('DynamicQuantizeLinear', ['x'], ['xq', 'xs', 'xz']),
      node('MatMulInteger', ['xq', 'w', 'xz', 'w_zero'], ['product']),
      node('Cast', ['product'], ['number'], { to: FLOAT }),
      node('Mul', ['xs', 'w_scale'], ['scale']),
      node('Mul', ['number', 'scale'], ['scaled']),
      node('Add', ['scaled', 'b'], ['y']),
    ],
    inputs: [rows('x', width)],
    outputs: [rows('y', width)],
    initializers: [
      drawn('w', type, [width, width], seed, rangeOf(type)),
      scale('w_scale', [], seed),
      middle('w_zero', type),
      drawn('b', FLOAT, [width], seed),
    ],
  };
}

function dynamicFused(type: number, width: number, seed: number): ModelParts {
  return {
    nodes: [node('DynamicQuantizeMatMul', ['x', 'w', 'w_scale', 'w_zero'], ['y'], {}, 'com.microsoft')],
    inputs: [rows('x', width)],
    outputs: [rows('y', width)],
    initializers: [
      drawn('w', type, [width, width], seed, rangeOf(type)),
      scale('w_scale', [1], seed),
      middle('w_zero', type, [1]),
    ],
  };
}

function convInteger(type: number, seed: number): ModelParts {
  return {
    nodes: [
      node('DynamicQuantizeLinear', ['x'], ['xq', 'xs', 'xz']),
      node('ConvInteger', ['xq', 'w', 'xz', 'w_zero'], ['conv'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      node('Cast', ['conv'], ['number'], { to: FLOAT }),
      node('Mul', ['number', 'xs'], ['y']),
    ],
    inputs: [image('x', 16)],
    outputs: [image('y', 32)],
    initializers: [drawn('w', type, [32, 16, 3, 3], seed, rangeOf(type)), middle('w_zero', type)],
  };
}

/** Weights of 4 or 8 bits with a scale for each block. @param accuracy 0 for what the kernel likes, 4 for int8 */
function matMulNBits(bits: number, blockSize: number, zeroPoints: boolean, accuracy: number, seed: number): ModelParts {
  const [inputs, outputs] = [128, 96];
  const blocks = Math.ceil(inputs / blockSize);
  const attributes = { K: inputs, N: outputs, bits, block_size: blockSize, accuracy_level: accuracy };
  const packed = Math.ceil((blocks * bits) / 8);
  return {
    nodes: [
      node('MatMulNBits', ['x', 'w', 'scales', ...(zeroPoints ? ['zeros'] : [])], ['y'], attributes, 'com.microsoft'),
    ],
    inputs: [rows('x', inputs)],
    outputs: [rows('y', outputs)],
    initializers: [
      drawn('w', UINT8, [outputs, blocks, (blockSize * bits) / 8], seed, [0, 255]),
      scale('scales', [outputs * blocks], seed),
      ...(zeroPoints ? [drawn('zeros', UINT8, [outputs * packed], seed, [0, 255])] : []),
    ],
  };
}

/** Weights that are made into floats before they are used. */
function weightOnly(type: number, seed: number): ModelParts {
  return {
    nodes: [node('DequantizeLinear', ['w', 'w_scale'], ['wd'], { axis: 1 }), node('MatMul', ['x', 'wd'], ['y'])],
    inputs: [rows('x')],
    outputs: [rows('y', 256)],
    initializers: [drawn('w', type, [WIDTH, 256], seed, rangeOf(type)), scale('w_scale', [256], seed)],
    opset: 21,
    irVersion: 10,
  };
}

/** Weights of another precision; either they or the activations are cast. */
function halfPrecision(type: number, cast: 'weight' | 'activation', seed: number): ModelParts {
  const weight = drawn('w', type, [WIDTH, WIDTH], seed);
  const parts = { inputs: [rows('x')], outputs: [rows('y')], initializers: [weight] };
  if (cast === 'weight') {
    return { ...parts, nodes: [node('Cast', ['w'], ['wf'], { to: FLOAT }), node('MatMul', ['x', 'wf'], ['y'])] };
  }
  const nodes = [
    node('Cast', ['x'], ['xh'], { to: type }),
    node('MatMul', ['xh', 'w'], ['yh']),
    node('Cast', ['yh'], ['y'], { to: FLOAT }),
  ];
  return { ...parts, nodes };
}
