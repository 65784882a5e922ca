/**
 * Models computed by hand in float64, from the definitions' weights: independent of onnxruntime and of the file format.
 */
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

/** Multi-head self-attention of one example, tokens as rows. */
export function attention(tokens: readonly Row[], weights: Weights, layer: string, heads: number): Row[] {
  const part = (name: string): Row[] => linear(tokens, weights, `${layer}.${name}`);
  return linear(attended(part('query'), part('key'), part('value'), heads), weights, `${layer}.project`);
}

/** What each query's token takes of the values; heads lie beside each other in a row. */
export function attended(query: readonly Row[], key: readonly Row[], value: readonly Row[], heads: number): Row[] {
  const width = (query[0]?.length ?? 0) / heads;
  return query.map((asked) =>
    Array.from({ length: heads }, (_head, head) => {
      const columns = Array.from({ length: width }, (_column, column) => head * width + column);
      const scores = key.map((row) => columns.reduce((total, c) => total + at(asked, c) * at(row, c), 0));
      const shares = softmax(scores.map((score) => score / Math.sqrt(width)));
      return columns.map((c) => shares.reduce((total, share, other) => total + share * at(value[other] ?? [], c), 0));
    }).flat(),
  );
}

function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
