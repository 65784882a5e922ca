import { type GraphProto, type TensorProto, TensorType } from '@tetris/onnx-format/messages';
import { drawn, type Range } from './corpus/typed-data';

export interface DrawnInputsOptions {
  /** Size of the symbolic axis `batch`. */
  batch: number;
  seed: number;
  /** What is drawn for an input; undefined for its type's own range. */
  rangeOf: (name: string, elemType: number) => Range | undefined;
}

/** Size of every other axis that has none. */
const OTHER_SIZE = 4;

/**
 * A drawn tensor for each input that has to be fed. @throws RangeError for what is no tensor, or of a type without
 * numbers
 */
export function drawnInputs(
  { input, initializer }: GraphProto,
  { batch, seed, rangeOf }: DrawnInputsOptions,
): TensorProto[] {
  const initialized = new Set(initializer.map(({ name }) => name));
  return input
    .filter(({ name }) => !initialized.has(name))
    .map(({ name, type }) => {
      if (type?.value.case !== 'tensorType') throw new RangeError(`input ${name} is no tensor`);
      const { elemType, shape } = type.value.value;
      const dims = (shape?.dim ?? []).map(({ value }) => {
        if (value.case === 'dimValue') return Number(value.value);
        return value.value === 'batch' ? batch : OTHER_SIZE;
      });
      return drawn(name, elemType, dims, seed, rangeOf(name, elemType));
    });
}

const FLOATS = new Set<number>([TensorType.FLOAT, TensorType.DOUBLE, TensorType.FLOAT16, TensorType.BFLOAT16]);

/**
 * For a model that nobody knows: whole numbers may be places, tokens or masks, and 0 and 1 are in most of their ranges.
 */
export function cautiousRange(_name: string, elemType: number): Range | undefined {
  return FLOATS.has(elemType) || elemType === TensorType.STRING ? undefined : [0, 1];
}
