/** A weight matrix as 4-bit integers, as the operator MatMulNBits reads them. Pure. */

/** Numbers below each other in a column that have a scale in common. */
export const BLOCK = 32;

/** The integer that stands for zero. */
export const ZERO_POINT = 8;

const LARGEST = 15;

export interface PackedWeight {
  /** `[columns, blocks of a column, BLOCK / 2]`: two integers a byte, the first in its lower half. */
  data: Uint8Array;
  /** `[columns, blocks of a column]`: weight = scale x (integer - {@link ZERO_POINT}). */
  scales: Float32Array;
}

/**
 * @param weight `[rows, columns]`; `[columns, rows]` where `transposed`. Finite numbers
 */
export function packWeight(weight: Float32Array, rows: number, columns: number, transposed: boolean): PackedWeight {
  const blocks = Math.ceil(rows / BLOCK);
  const data = new Uint8Array((columns * blocks * BLOCK) / 2);
  const scales = new Float32Array(columns * blocks);
  const numbers = new Float32Array(BLOCK);
  for (let at = 0; at < scales.length; at += 1) {
    const column = Math.floor(at / blocks);
    const first = (at % blocks) * BLOCK;
    for (let step = 0; step < BLOCK; step += 1) {
      const row = first + step;
      // What lies below the last row is zero.
      const place = transposed ? column * rows + row : row * columns + column;
      numbers[step] = row < rows ? (weight[place] ?? 0) : 0;
    }
    scales[at] = scaleOf(numbers);
    pack(numbers, scales[at] || 1, data.subarray((at * BLOCK) / 2));
  }
  return { data, scales };
}

/** There is one integer more below zero than above: the largest weight of either sign is to be exact. */
function scaleOf(numbers: Float32Array): number {
  let extreme = 0;
  for (const number of numbers) if (Math.abs(number) > Math.abs(extreme)) extreme = number;
  return extreme === 0 ? 1 : extreme / -ZERO_POINT;
}

function pack(numbers: Float32Array, scale: number, bytes: Uint8Array): void {
  const integer = (value = 0): number => Math.max(0, Math.min(LARGEST, Math.round(value / scale) + ZERO_POINT));
  for (let at = 0; at < numbers.length; at += 2) {
    bytes[at / 2] = integer(numbers[at]) | (integer(numbers[at + 1]) << 4);
  }
}
