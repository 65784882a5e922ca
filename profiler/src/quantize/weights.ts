/** Float32 weights as numbers. Pure. */
import { type NodeProto, type TensorProto, TensorType } from '@tetris/onnx-format/messages';

/** Smaller weights stay: their bytes do not matter, and their activations would be quantized for nothing. */
const WEIGHT_NUMBERS_MIN = 16_384;

export const isLarge = (tensor: TensorProto): boolean =>
  tensor.dataType === TensorType.FLOAT && sizeOf(tensor) >= WEIGHT_NUMBERS_MIN;

export const sizeOf = ({ dims }: TensorProto): number => dims.reduce((product, size) => product * Number(size), 1);

export function floatsOf({ rawData, floatData }: TensorProto): Float32Array {
  if (rawData.length === 0) return Float32Array.from(floatData);
  // A copy: the bytes may begin anywhere in the file that was read.
  return new Float32Array(new Uint8Array(rawData).buffer, 0, Math.floor(rawData.length / 4));
}

/** Whether its body holds large weights of its own: these are left alone. */
export const hasHeavyBody = ({ attribute }: NodeProto): boolean =>
  attribute
    .flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]))
    .some(({ initializer }) => initializer.some((tensor) => isLarge(tensor)));
