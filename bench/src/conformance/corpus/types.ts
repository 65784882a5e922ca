/** Every element type that the Node API carries, and some that it does not, straight through and through a table. */
import { TensorType } from '@tetris/onnx-format/messages';
import { node, valueInfo } from '../../models/messages';
import { type CorpusModel, modelOf } from './corpus-model';
import { drawn } from './typed-data';

/** By the names that the Node API has for them. */
export const CARRIED_TYPES: Readonly<Record<string, number>> = {
  float32: TensorType.FLOAT,
  float64: TensorType.DOUBLE,
  float16: TensorType.FLOAT16,
  int8: TensorType.INT8,
  uint8: TensorType.UINT8,
  int16: TensorType.INT16,
  uint16: TensorType.UINT16,
  int32: TensorType.INT32,
  uint32: TensorType.UINT32,
  int64: TensorType.INT64,
  uint64: TensorType.UINT64,
  bool: TensorType.BOOL,
  string: TensorType.STRING,
};

const OTHER_TYPES: Readonly<Record<string, number>> = {
  bfloat16: TensorType.BFLOAT16,
  int4: TensorType.INT4,
  uint4: TensorType.UINT4,
};

const SHAPES: Readonly<Record<string, readonly (number | string)[]>> = {
  batch: ['batch', 5],
  scalar: [],
  empty: [0, 3],
  deep: [1, 'batch', 2, 1, 3],
};

export function* typeModels(seed: number): Generator<CorpusModel> {
  for (const [type, dataType] of Object.entries({ ...CARRIED_TYPES, ...OTHER_TYPES })) {
    for (const [shape, dims] of Object.entries(SHAPES)) {
      yield {
        name: `types/identity-${type}-${shape}`,
        model: modelOf({
          nodes: [node('Identity', ['x'], ['y'])],
          inputs: [valueInfo('x', dataType, dims)],
          outputs: [valueInfo('y', dataType, dims)],
          opset: 21,
          irVersion: 10,
        }),
      };
    }
  }
  for (const [type, dataType] of Object.entries(CARRIED_TYPES)) {
    for (const [size, rows] of [['small', 3] as const, ['large', 700] as const]) {
      yield { ...table(dataType, rows, seed), name: `types/table-${type}-${size}`, ranges: { place: [0, rows - 1] } };
    }
  }
}

/** Rows of a constant table by their places: no arithmetic, so any type will do. Large ones are shared. */
function table(dataType: number, rows: number, seed: number): Pick<CorpusModel, 'model'> {
  const model = modelOf({
    nodes: [node('Gather', ['table', 'place'], ['y'])],
    inputs: [valueInfo('place', TensorType.INT64, ['batch'])],
    outputs: [valueInfo('y', dataType, ['batch', 8])],
    initializers: [drawn('table', dataType, [rows, 8], seed)],
  });
  return { model };
}
