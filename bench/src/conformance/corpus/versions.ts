/** Every version of the format and of the operator set that onnxruntime takes, and the next ones that it may refuse. */
import { TensorType } from '@tetris/onnx-format/messages';
import { node, valueInfo } from '../../models/messages';
import { type CorpusModel, modelOf, type ModelParts } from './corpus-model';
import { drawn } from './typed-data';

const OPSETS = { oldest: 7, newest: 28 };
const IR_VERSIONS = { oldest: 3, newest: 15 };
const WIDTH = 48;

export function* versionModels(seed: number): Generator<CorpusModel> {
  for (let opset = OPSETS.oldest; opset <= OPSETS.newest; opset += 1) {
    yield { name: `versions/opset-${opset}`, model: modelOf({ ...layer(seed), opset }) };
    yield { name: `versions/opset-${opset}-shapes`, model: modelOf({ ...reshaping(), opset }) };
  }
  for (let irVersion = IR_VERSIONS.oldest; irVersion <= IR_VERSIONS.newest; irVersion += 1) {
    yield { name: `versions/ir-${irVersion}`, model: modelOf({ ...layer(seed), opset: 8, irVersion }) };
    yield {
      name: `versions/ir-${irVersion}-overridable`,
      model: modelOf({ ...overridable(seed), opset: 8, irVersion }),
    };
    yield { name: `versions/ir-${irVersion}-scaled-twice`, model: modelOf({ ...scaledTwice(), opset: 8, irVersion }) };
  }
}

const rows = (name: string): ReturnType<typeof valueInfo> => valueInfo(name, TensorType.FLOAT, ['batch', WIDTH]);

/** A layer of a perceptron: weights that are large enough to be shared. */
function layer(seed: number): ModelParts {
  return {
    nodes: [node('Gemm', ['x', 'w', 'b'], ['h']), node('Relu', ['h'], ['y'])],
    inputs: [rows('x')],
    outputs: [rows('y')],
    initializers: [drawn('w', TensorType.FLOAT, [WIDTH, WIDTH], seed), drawn('b', TensorType.FLOAT, [WIDTH], seed)],
  };
}

/** The same with initializers that are inputs too, as IR 3 demands: callers may put others in their place. */
function overridable(seed: number): ModelParts {
  const parts = layer(seed);
  const matrix = valueInfo('w', TensorType.FLOAT, [WIDTH, WIDTH]);
  return { ...parts, inputs: [...parts.inputs, matrix, valueInfo('b', TensorType.FLOAT, [WIDTH])] };
}

/** `(x + a) * b` with equal `a` and `b`, which optimizers like to merge. */
function scaledTwice(): ModelParts {
  const half = (name: string): ReturnType<typeof drawn> => drawn(name, TensorType.FLOAT, [1], 1, [1.5, 1.5]);
  const scalar = (name: string): ReturnType<typeof valueInfo> => valueInfo(name, TensorType.FLOAT, [1]);
  return {
    nodes: [node('Add', ['x', 'a'], ['sum']), node('Mul', ['sum', 'b'], ['y'])],
    inputs: [rows('x'), scalar('a'), scalar('b')],
    outputs: [rows('y')],
    initializers: [half('a'), half('b')],
  };
}

/** Operators whose attributes became inputs over time are left out: what is here has one form in every set. */
function reshaping(): ModelParts {
  return {
    nodes: [
      node('Shape', ['x'], ['shape']),
      node('Transpose', ['x'], ['turned'], { perm: [1, 0] }),
      node('Transpose', ['turned'], ['back'], { perm: [1, 0] }),
      node('Reshape', ['back', 'shape'], ['same']),
      node('Flatten', ['same'], ['flat'], { axis: 1 }),
      node('Concat', ['flat', 'x'], ['y'], { axis: 1 }),
    ],
    inputs: [rows('x')],
    outputs: [valueInfo('y', TensorType.FLOAT, ['batch', 2 * WIDTH])],
  };
}
