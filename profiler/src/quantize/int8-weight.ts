/** A weight matrix as unsigned 8-bit integers. Pure. */

/** The integer that stands for zero, the same for every column: zeros stay exact. */
export const ZERO_POINT = 128;

/** Steps on either side of it. */
const STEPS = 127;

export interface QuantizedWeight {
  /** `[rows, columns]`, row by row. */
  data: Uint8Array;
  /** Of each column: weight = scale x (integer - {@link ZERO_POINT}), off by half a scale at most. */
  scales: Float32Array;
}

/**
 * Symmetric, with a scale for each column. Unsigned, because products of an unsigned and a signed byte saturate on
 * processors without instructions for them, and then results would depend on the machine.
 *
 * @param weight `[rows, columns]`; `[columns, rows]` where `transposed`. Finite numbers
 */
export function quantizeWeight(
  weight: Float32Array,
  rows: number,
  columns: number,
  transposed: boolean,
): QuantizedWeight {
  const at = transposed
    ? (row: number, column: number): number => weight[column * rows + row] ?? 0
    : (row: number, column: number): number => weight[row * columns + column] ?? 0;
  const data = new Uint8Array(rows * columns);
  const scales = new Float32Array(columns);
  for (let column = 0; column < columns; column += 1) {
    let largest = 0;
    for (let row = 0; row < rows; row += 1) largest = Math.max(largest, Math.abs(at(row, column)));
    scales[column] = largest === 0 ? 1 : largest / STEPS;
    // As it is stored: a scale that was rounded down must not push the largest weight out of range.
    const scale = scales[column] || 1;
    for (let row = 0; row < rows; row += 1) {
      const steps = Math.max(-STEPS, Math.min(STEPS, Math.round(at(row, column) / scale)));
      data[row * columns + column] = ZERO_POINT + steps;
    }
  }
  return { data, scales };
}
