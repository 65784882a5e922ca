/** Models computed by hand in float64, from the definitions' weights: independent of onnxruntime and of the file format. */
import type { ModelDefinition } from '@tetris/bench';
import { Random } from '../../../../bench/src/models/random';

export type Weights = (name: string) => Float32Array;

/** Draws a definition's weights again. */
export function weightsOf(definition: ModelDefinition): Weights {
  return (name) => {
    const spec = definition.weights.find((weight) => weight.name === name);
    if (spec === undefined) throw new Error(`no weight ${name}`);
    const values = new Float32Array(spec.dims.reduce((product, size) => product * size, 1));
    new Random(spec.seed).fill(values, spec.spread);
    return values;
  };
}

/** A row of numbers; a matrix is its rows. */
export type Row = number[];

export function rowsOf(data: ArrayLike<number>, width: number): Row[] {
  const values = Array.from(data);
  return Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width));
}

const at = (values: ArrayLike<number>, index: number): number => values[index] ?? NaN;

/** rows x weight + bias, with the weight as `[inputs, outputs]`. */
export function linear(rows: readonly Row[], weights: Weights, name: string): Row[] {
  const weight = weights(`${name}.weight`);
  const bias = weights(`${name}.bias`);
  return rows.map((row) =>
    Array.from(bias, (offset, output) =>
      row.reduce((total, value, input) => total + value * at(weight, input * bias.length + output), offset),
    ),
  );
}

export const relu = (rows: readonly Row[]): Row[] => rows.map((row) => row.map((value) => Math.max(0, value)));

/** Abramowitz and Stegun 7.1.26 is too coarse here: the series converges fast enough for the values met. */
export function erf(value: number): number {
  let term = value;
  let total = value;
  for (let n = 1; n < 200 && Math.abs(term) > 1e-18; n += 1) {
    term *= (-value * value) / n;
    total += term / (2 * n + 1);
  }
  return Math.abs(value) > 5 ? Math.sign(value) : (2 / Math.sqrt(Math.PI)) * total;
}

export const gelu = (rows: readonly Row[]): Row[] =>
  rows.map((row) => row.map((value) => (value / 2) * (1 + erf(value / Math.SQRT2))));

/** LayerNormalization(residual + update). */
export function normalized(residual: readonly Row[], update: readonly Row[], weights: Weights, name: string): Row[] {
  const scale = weights(`${name}.scale`);
  const shift = weights(`${name}.shift`);
  return residual.map((row, index) => {
    const sums = row.map((value, column) => value + at(update[index] ?? [], column));
    const mean = sums.reduce((total, value) => total + value, 0) / sums.length;
    const variance = sums.reduce((total, value) => total + (value - mean) ** 2, 0) / sums.length;
    return sums.map((value, column) => ((value - mean) / Math.sqrt(variance)) * at(scale, column) + at(shift, column));
  });
}

/** Multi-head attention of one example, tokens as rows. */
export function attention(tokens: readonly Row[], weights: Weights, layer: string, heads: number): Row[] {
  const [query, key, value] = ['query', 'key', 'value'].map((part) => linear(tokens, weights, `${layer}.${part}`));
  const width = (tokens[0]?.length ?? 0) / heads;
  const mixed = tokens.map((_, token) =>
    Array.from({ length: heads }, (_head, head) => {
      const columns = Array.from({ length: width }, (_column, column) => head * width + column);
      const scores = tokens.map((_other, other) =>
        columns.reduce((total, c) => total + at(query?.[token] ?? [], c) * at(key?.[other] ?? [], c), 0),
      );
      const weightsOfOthers = softmax(scores.map((score) => score / Math.sqrt(width)));
      return columns.map((c) =>
        weightsOfOthers.reduce((total, weight, other) => total + weight * at(value?.[other] ?? [], c), 0),
      );
    }).flat(),
  );
  return linear(mixed, weights, `${layer}.project`);
}

function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
