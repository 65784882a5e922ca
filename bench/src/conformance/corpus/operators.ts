/** Operators whose kernels pack, fold or lay out weights anew, and the activations that are fused into them. */
import { type NodeProto, type TensorProto, TensorType } from '@tetris/onnx-format/messages';
import { type Attributes, type Dimension, floats, integers, node, valueInfo } from '../../models/messages';
import { type CorpusModel, modelOf, type ModelParts } from './corpus-model';
import { drawn } from './typed-data';

const { FLOAT, DOUBLE, INT64, INT32 } = TensorType;

export function* operatorModels(seed: number): Generator<CorpusModel> {
  const maker = new Maker(seed);
  for (const [name, parts] of Object.entries({ ...maker.products(), ...maker.recurrent(), ...maker.attention() })) {
    yield { name: `operators/${name}`, model: modelOf(parts) };
  }
  for (const [name, parts] of Object.entries({ ...maker.convolutions(), ...maker.norms() })) {
    yield { name: `operators/${name}`, model: modelOf(parts) };
  }
  for (const operator of ACTIVATIONS) {
    yield { name: `operators/conv-${operator}`, model: modelOf(maker.activatedConvolution(operator)) };
    yield { name: `operators/gemm-${operator}`, model: modelOf(maker.activatedProduct(operator)) };
  }
  for (const operator of UNARY) {
    yield { name: `operators/unary-${operator}`, model: modelOf(maker.unary(operator)) };
  }
  for (const operator of BINARY) {
    yield { name: `operators/binary-${operator}`, model: modelOf(maker.binary(operator)) };
  }
}

const ACTIVATIONS = ['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid', 'Elu', 'Softplus', 'Gelu'];
const UNARY = [
  ...['Abs', 'Acos', 'Asin', 'Atan', 'Ceil', 'Cos', 'Cosh', 'Erf', 'Exp', 'Floor', 'HardSwish', 'Identity', 'Log'],
  ...['Mish', 'Neg', 'Reciprocal', 'Round', 'Selu', 'Sign', 'Sin', 'Sinh', 'Softmax', 'LogSoftmax', 'Softsign', 'Sqrt'],
  ...['Tan', 'IsNaN', 'Hardmax', 'CumSum', 'TopK', 'ArgMax', 'Not', 'Dropout', 'RandomNormalLike', 'Bernoulli'],
];
const BINARY = [
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Pow',
  'Min',
  'Max',
  'PRelu',
  'Mod',
  'Greater',
  'LessOrEqual',
  'Where',
  'Expand',
];

const batched = (name: string, dims: readonly Dimension[], type: number = FLOAT): ReturnType<typeof valueInfo> =>
  valueInfo(name, type, ['batch', ...dims]);

class Maker {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  products(): Record<string, ModelParts> {
    const made: Record<string, ModelParts> = {};
    for (const width of [8, 33, 64, 256]) {
      made[`matmul-${width}`] = this.#product('MatMul', width);
      made[`gemm-${width}`] = this.#product('Gemm', width, {}, true);
      made[`gemm-transposed-${width}`] = this.#product('Gemm', width, { transB: 1, alpha: { float: 0.5 } }, true);
      made[`matmul-float64-${width}`] = this.#product('MatMul', width, {}, false, DOUBLE);
    }
    made['matmul-vector'] = {
      nodes: [node('MatMul', ['x', 'w'], ['y'])],
      inputs: [batched('x', [64])],
      outputs: [valueInfo('y', FLOAT, ['batch'])],
      initializers: [this.#weight('w', [64])],
    };
    made['matmul-3d'] = {
      nodes: [node('MatMul', ['x', 'w'], ['y'])],
      inputs: [batched('x', ['tokens', 64])],
      outputs: [batched('y', ['tokens', 96])],
      initializers: [this.#weight('w', [64, 96])],
    };
    made['matmul-stacked'] = {
      nodes: [node('MatMul', ['x', 'w'], ['y'])],
      inputs: [batched('x', [4, 3, 32])],
      outputs: [batched('y', [4, 3, 48])],
      initializers: [this.#weight('w', [4, 32, 48])],
    };
    made['weight-first'] = {
      nodes: [node('MatMul', ['w', 'x'], ['y'])],
      inputs: [batched('x', [64, 3])],
      outputs: [batched('y', [96, 3])],
      initializers: [this.#weight('w', [96, 64])],
    };
    made['einsum'] = {
      nodes: [node('Einsum', ['x', 'w'], ['y'], { equation: 'bij,jk->bik' })],
      inputs: [batched('x', [5, 64])],
      outputs: [batched('y', [5, 32])],
      initializers: [this.#weight('w', [64, 32])],
    };
    made['embedding'] = {
      nodes: [node('Cast', ['x'], ['tokens'], { to: INT64 }), node('Gather', ['w', 'tokens'], ['y'])],
      inputs: [batched('x', [7], TensorType.BOOL)],
      outputs: [batched('y', [7, 512])],
      initializers: [this.#weight('w', [2, 512])],
    };
    return made;
  }

  convolutions(): Record<string, ModelParts> {
    const spaces: Record<string, number[]> = { '1d': [9], '2d': [7, 7], '3d': [4, 5, 4] };
    const made: Record<string, ModelParts> = {};
    for (const [name, space] of Object.entries(spaces)) {
      for (const groups of [1, 4]) {
        const suffix = `${name}-${groups}`;
        made[`conv-${suffix}`] = this.#convolution('Conv', space, 16, 32, groups);
        made[`conv-transpose-${suffix}`] = this.#convolution('ConvTranspose', space, 16, 32, groups);
      }
    }
    made['conv-depthwise'] = this.#convolution('Conv', [7, 7], 128, 128, 128);
    made['conv-odd-channels'] = this.#convolution('Conv', [7, 7], 3, 37, 1);
    made['conv-strided'] = this.#convolution('Conv', [8, 8], 16, 32, 1, { strides: [2, 2], dilations: [2, 2] });
    made['conv-pointwise'] = {
      nodes: [node('Conv', ['x', 'w'], ['y'], { kernel_shape: [1, 1] })],
      inputs: [batched('x', [32, 5, 5])],
      outputs: [batched('y', [64, 5, 5])],
      initializers: [this.#weight('w', [64, 32, 1, 1])],
    };
    made['conv-residual'] = this.#residual();
    made['conv-normalized'] = this.#normalizedConvolution();
    for (const pool of ['MaxPool', 'AveragePool', 'GlobalAveragePool', 'LpPool']) {
      const parts = this.#convolution('Conv', [8, 8], 16, 32, 1);
      const attributes: Attributes = pool.startsWith('Global') ? {} : { kernel_shape: [2, 2], strides: [2, 2] };
      made[`conv-${pool}`] = {
        ...parts,
        nodes: [node('Conv', ['x', 'w', 'b'], ['h'], { kernel_shape: [3, 3] }), node(pool, ['h'], ['y'], attributes)],
      };
    }
    made['resize'] = {
      nodes: [node('Resize', ['x', '', 'scales'], ['y'], { mode: 'linear' })],
      inputs: [batched('x', [3, 4, 4])],
      outputs: [batched('y', [3, 8, 8])],
      initializers: [floats('scales', [4], [1, 1, 2, 2])],
    };
    return made;
  }

  norms(): Record<string, ModelParts> {
    const width = 1100;
    const [scale, shift] = [this.#weight('scale', [width]), this.#weight('shift', [width])];
    const rows = { inputs: [batched('x', [width])], outputs: [batched('y', [width])], initializers: [scale, shift] };
    const images = {
      inputs: [batched('x', [width, 2, 2])],
      outputs: [batched('y', [width, 2, 2])],
      initializers: [scale, shift],
    };
    const moments = [
      drawn('mean', FLOAT, [width], this.#seed),
      drawn('variance', FLOAT, [width], this.#seed, [0.5, 2]),
    ];
    return {
      'layer-normalization': { ...rows, nodes: [node('LayerNormalization', ['x', 'scale', 'shift'], ['y'])] },
      'layer-normalization-spelled-out': {
        ...rows,
        nodes: spelledOutNormalization(),
        initializers: [...rows.initializers, floats('two', [], [2]), floats('epsilon', [], [1e-5])],
      },
      'skip-layer-normalization': {
        ...rows,
        inputs: [batched('x', [3, width])],
        outputs: [batched('y', [3, width])],
        nodes: [node('SkipLayerNormalization', ['x', 'x', 'scale', 'shift'], ['y'], {}, 'com.microsoft')],
      },
      'batch-normalization': {
        ...images,
        nodes: [node('BatchNormalization', ['x', 'scale', 'shift', 'mean', 'variance'], ['y'])],
        initializers: [scale, shift, ...moments],
      },
      'instance-normalization': { ...images, nodes: [node('InstanceNormalization', ['x', 'scale', 'shift'], ['y'])] },
      'group-normalization': {
        ...images,
        opset: 21,
        irVersion: 10,
        nodes: [node('GroupNormalization', ['x', 'scale', 'shift'], ['y'], { num_groups: 4 })],
      },
      'rms-normalization': {
        ...rows,
        opset: 23,
        irVersion: 11,
        nodes: [node('RMSNormalization', ['x', 'scale'], ['y'])],
        initializers: [scale],
      },
      lrn: { ...images, nodes: [node('LRN', ['x'], ['y'], { size: 5 })], initializers: [] },
    };
  }

  recurrent(): Record<string, ModelParts> {
    const made: Record<string, ModelParts> = {};
    for (const [operator, gates] of [
      ['LSTM', 4],
      ['GRU', 3],
      ['RNN', 1],
    ] as const) {
      for (const direction of ['forward', 'reverse', 'bidirectional']) {
        for (const hidden of [4, 48]) {
          made[`${operator.toLowerCase()}-${direction}-${hidden}`] = this.#recurrent(
            operator,
            gates,
            direction,
            hidden,
          );
        }
      }
    }
    return made;
  }

  attention(): Record<string, ModelParts> {
    const [hidden, heads] = [64, 4];
    const projected = ['q', 'k', 'v'].map((name) => node('MatMul', ['x', `w${name}`], [name]));
    const projections = ['q', 'k', 'v'].map((name) => this.#weight(`w${name}`, [hidden, hidden]));
    const ends = { inputs: [batched('x', [5, hidden])], outputs: [batched('y', [5, hidden])] };
    return {
      'attention-fused': {
        ...ends,
        nodes: [node('Attention', ['x', 'w', 'b'], ['y'], { num_heads: heads }, 'com.microsoft')],
        initializers: [this.#weight('w', [hidden, 3 * hidden]), this.#weight('b', [3 * hidden])],
      },
      'attention-multi-head': {
        ...ends,
        nodes: [
          ...projected,
          node('MultiHeadAttention', ['q', 'k', 'v'], ['y'], { num_heads: heads }, 'com.microsoft'),
        ],
        initializers: projections,
      },
      'attention-standard': {
        ...ends,
        opset: 23,
        irVersion: 11,
        nodes: [...projected, node('Attention', ['q', 'k', 'v'], ['y'], { q_num_heads: heads, kv_num_heads: heads })],
        initializers: projections,
      },
      'attention-spelled-out': {
        ...ends,
        nodes: [
          ...projected,
          node('Transpose', ['k'], ['kt'], { perm: [0, 2, 1] }),
          node('MatMul', ['q', 'kt'], ['scores']),
          node('Softmax', ['scores'], ['weights'], { axis: -1 }),
          node('MatMul', ['weights', 'v'], ['y']),
        ],
        initializers: projections,
      },
    };
  }

  activatedProduct(operator: string): ModelParts {
    const parts = this.#product('Gemm', 64, {}, true);
    const nodes = [node('Gemm', ['x', 'w', 'b'], ['h']), node(operator, ['h'], ['y'])];
    return { ...parts, nodes, opset: 20 };
  }

  activatedConvolution(operator: string): ModelParts {
    const parts = this.#convolution('Conv', [7, 7], 16, 32, 1);
    const nodes = [node('Conv', ['x', 'w', 'b'], ['h'], { kernel_shape: [3, 3] }), node(operator, ['h'], ['y'])];
    return { ...parts, nodes, opset: 20 };
  }

  /** Behind a product, so that there are weights: some operators are fused into it. */
  unary(operator: string): ModelParts {
    const { inputs, more, type, outputs } = this.#unarySignature(operator);
    const before: NodeProto[] = [node('MatMul', ['x', 'w'], ['h'])];
    if (operator === 'Not') before.push(node('Greater', ['h', 'zero'], ['truth']));
    if (operator === 'Bernoulli') before.push(node('Sigmoid', ['h'], ['p']));
    return {
      nodes: [...before, node(operator, inputs, outputs)],
      inputs: [batched('x', [64])],
      outputs: outputs.map((name, index) => valueInfo(name, index === 0 ? type : INT64, ['rows', 'columns'])),
      initializers: [this.#weight('w', [64, 64]), ...more],
      opset: 19,
    };
  }

  binary(operator: string): ModelParts {
    const w = drawn('w', FLOAT, [1, 2048], this.#seed, [0.5, 1]);
    const truth = operator === 'Greater' || operator === 'LessOrEqual';
    const ends = { inputs: [batched('x', [2048])], outputs: [batched('y', [2048], truth ? TensorType.BOOL : FLOAT)] };
    if (operator === 'Expand')
      return { ...ends, nodes: [node('Shape', ['x'], ['s']), node('Expand', ['w', 's'], ['y'])], initializers: [w] };
    if (operator === 'Where') {
      return {
        ...ends,
        nodes: [node('Greater', ['x', 'w'], ['c']), node('Where', ['c', 'x', 'w'], ['y'])],
        initializers: [w],
      };
    }
    return {
      ...ends,
      nodes: [node(operator, ['x', 'w'], ['y'], operator === 'Mod' ? { fmod: 1 } : {})],
      initializers: [w],
    };
  }

  #unarySignature(operator: string): { inputs: string[]; outputs: string[]; more: TensorProto[]; type: number } {
    const plain = { inputs: ['h'], outputs: ['y'], more: [], type: FLOAT };
    switch (operator) {
      case 'CumSum':
        return { ...plain, inputs: ['h', 'axis'], more: [drawn('axis', INT32, [], 1, [1, 1])] };
      case 'TopK':
        return { ...plain, inputs: ['h', 'k'], outputs: ['y', 'places'], more: [integers('k', [5])] };
      case 'ArgMax':
        return { ...plain, type: INT64 };
      case 'Not':
        return { ...plain, inputs: ['truth'], more: [floats('zero', [], [0])], type: TensorType.BOOL };
      case 'IsNaN':
        return { ...plain, type: TensorType.BOOL };
      case 'Bernoulli':
        return { ...plain, inputs: ['p'] };
      default:
        return plain;
    }
  }

  #weight(name: string, dims: readonly number[], type: number = FLOAT): TensorProto {
    return drawn(name, type, dims, this.#seed, [-0.3, 0.3]);
  }

  #product(
    operator: string,
    width: number,
    attributes: Attributes = {},
    bias = false,
    type: number = FLOAT,
  ): ModelParts {
    return {
      nodes: [node(operator, ['x', 'w', ...(bias ? ['b'] : [])], ['y'], attributes)],
      inputs: [batched('x', [width], type)],
      outputs: [batched('y', [width], type)],
      initializers: [this.#weight('w', [width, width], type), ...(bias ? [this.#weight('b', [width], type)] : [])],
    };
  }

  #convolution(
    operator: 'Conv' | 'ConvTranspose',
    space: readonly number[],
    inputs: number,
    outputs: number,
    group: number,
    attributes: Attributes = {},
  ): ModelParts {
    const kernel = space.map(() => 3);
    const dims = operator === 'Conv' ? [outputs, inputs / group] : [inputs, outputs / group];
    const symbols = space.map((_, axis) => `size${axis}`);
    return {
      nodes: [node(operator, ['x', 'w', 'b'], ['y'], { kernel_shape: kernel, group, ...attributes })],
      inputs: [batched('x', [inputs, ...space])],
      outputs: [batched('y', [outputs, ...symbols])],
      initializers: [this.#weight('w', [...dims, ...kernel]), this.#weight('b', [outputs])],
    };
  }

  #residual(): ModelParts {
    const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
    return {
      nodes: [
        node('Conv', ['x', 'w'], ['h'], attributes),
        node('Relu', ['h'], ['r']),
        node('Conv', ['r', 'v'], ['g'], attributes),
        node('Add', ['g', 'x'], ['sum']),
        node('Relu', ['sum'], ['y']),
      ],
      inputs: [batched('x', [32, 6, 6])],
      outputs: [batched('y', [32, 6, 6])],
      initializers: [this.#weight('w', [32, 32, 3, 3]), this.#weight('v', [32, 32, 3, 3])],
    };
  }

  /** The normalization is folded into the convolution's weights. */
  #normalizedConvolution(): ModelParts {
    const parts = this.#convolution('Conv', [7, 7], 16, 32, 1);
    return {
      ...parts,
      nodes: [
        node('Conv', ['x', 'w', 'b'], ['h'], { kernel_shape: [3, 3] }),
        node('BatchNormalization', ['h', 'scale', 'shift', 'mean', 'variance'], ['y']),
      ],
      initializers: [
        ...(parts.initializers ?? []),
        ...['scale', 'shift', 'mean'].map((name) => this.#weight(name, [32])),
        drawn('variance', FLOAT, [32], this.#seed, [0.5, 2]),
      ],
    };
  }

  #recurrent(operator: string, gates: number, direction: string, hidden: number): ModelParts {
    const [inputs, directions] = [24, direction === 'bidirectional' ? 2 : 1];
    return {
      nodes: [node(operator, ['x', 'w', 'r', 'b'], ['y', 'last'], { hidden_size: hidden, direction })],
      inputs: [valueInfo('x', FLOAT, [5, 'batch', inputs])],
      outputs: [
        valueInfo('y', FLOAT, [5, directions, 'batch', hidden]),
        valueInfo('last', FLOAT, [directions, 'batch', hidden]),
      ],
      initializers: [
        this.#weight('w', [directions, gates * hidden, inputs]),
        this.#weight('r', [directions, gates * hidden, hidden]),
        this.#weight('b', [directions, 2 * gates * hidden]),
      ],
    };
  }
}

/** As exporters wrote it before there was an operator: onnxruntime puts its own in the place. */
function spelledOutNormalization(): NodeProto[] {
  return [
    node('ReduceMean', ['x'], ['m'], { axes: [-1], keepdims: 1 }),
    node('Sub', ['x', 'm'], ['d']),
    node('Pow', ['d', 'two'], ['d2']),
    node('ReduceMean', ['d2'], ['v'], { axes: [-1], keepdims: 1 }),
    node('Add', ['v', 'epsilon'], ['ve']),
    node('Sqrt', ['ve'], ['s']),
    node('Div', ['d', 's'], ['n']),
    node('Mul', ['n', 'scale'], ['ns']),
    node('Add', ['ns', 'shift'], ['y']),
  ];
}
