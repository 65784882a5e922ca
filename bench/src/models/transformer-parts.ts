/** What encoder and decoder have in common: streams are `[batch, sequence, hidden]`. */
import type { GraphBuilder } from './graph-builder';

/** Sizes of a layer. */
export interface LayerSizes {
  hidden: number;
  /** Divides `hidden`. */
  heads: number;
  /** Width of the feed-forward part. */
  feedForward: number;
}

/**
 * The constants that the parts refer to; declared once, before any of them.
 *
 * @throws RangeError where `heads` does not divide `hidden`
 */
export function declareShapes(builder: GraphBuilder, { hidden, heads }: LayerSizes): void {
  if (hidden % heads !== 0) throw new RangeError(`heads ${heads} does not divide hidden ${hidden}`);
  builder.constant('shape.heads', [0, 0, heads, hidden / heads]);
  builder.constant('shape.hidden', [0, 0, hidden]);
}

/** A projection of the input, cut into heads: `[batch, sequence, heads, width]`, permuted. */
export function headsOf(
  builder: GraphBuilder,
  name: string,
  input: string,
  hidden: number,
  perm: readonly number[],
): string {
  const projected = builder.linear(name, input, hidden, hidden);
  const shaped = builder.node(`${name}.split`, 'Reshape', [projected, 'shape.heads']);
  return builder.node(`${name}.heads`, 'Transpose', [shaped], { perm });
}

/** What attention is over: all `[batch, heads, sequence, width]`, but the key `[batch, heads, width, sequence]`. */
export interface Heads {
  query: string;
  key: string;
  value: string;
}

/** softmax(Q K^T / sqrt(width)) V, projected. */
export function attended(
  builder: GraphBuilder,
  prefix: string,
  { query, key, value }: Heads,
  { hidden, heads }: LayerSizes,
): string {
  const scores = builder.node(`${prefix}.scores`, 'MatMul', [query, key]);
  const divisor = builder.scalar('attention.divisor', Math.sqrt(hidden / heads));
  const scaled = builder.node(`${prefix}.scaled`, 'Div', [scores, divisor]);
  const weights = builder.node(`${prefix}.softmax`, 'Softmax', [scaled], { axis: -1 });
  const mixed = builder.node(`${prefix}.mixed`, 'MatMul', [weights, value]);
  const ordered = builder.node(`${prefix}.ordered`, 'Transpose', [mixed], { perm: [0, 2, 1, 3] });
  const joined = builder.node(`${prefix}.joined`, 'Reshape', [ordered, 'shape.hidden']);
  return builder.linear(`${prefix}.project`, joined, hidden, hidden);
}

/** The feed-forward part: wider, GELU, and back. */
export function widened(
  builder: GraphBuilder,
  prefix: string,
  input: string,
  { hidden, feedForward }: LayerSizes,
): string {
  const inner = gelu(builder, `${prefix}.gelu`, builder.linear(`${prefix}.up`, input, hidden, feedForward));
  return builder.linear(`${prefix}.down`, inner, feedForward, hidden);
}

export function normalized(builder: GraphBuilder, name: string, input: string, hidden: number): string {
  const scale = builder.weight(`${name}.scale`, [hidden], { center: 1, limit: 0.1 });
  const shift = builder.bias(`${name}.shift`, hidden);
  return builder.node(name, 'LayerNormalization', [input, scale, shift], { axis: -1, epsilon: { float: 1e-12 } });
}

/** x/2 (1 + erf(x / sqrt 2)), in the five nodes that exporters write and onnxruntime fuses. */
function gelu(builder: GraphBuilder, name: string, input: string): string {
  const scaled = builder.node(`${name}.scaled`, 'Div', [input, builder.scalar('gelu.root', Math.SQRT2)]);
  const erf = builder.node(`${name}.erf`, 'Erf', [scaled]);
  const shifted = builder.node(`${name}.shifted`, 'Add', [erf, builder.scalar('gelu.one', 1)]);
  const product = builder.node(`${name}.product`, 'Mul', [input, shifted]);
  return builder.node(name, 'Mul', [product, builder.scalar('gelu.half', 0.5)]);
}
