import { type Dimension, GraphBuilder, type ModelDefinition } from './graph-builder';

export interface TransformerOptions {
  /** @default 12 */
  layers?: number;
  /** Width of the residual stream. @default 768 */
  hidden?: number;
  /** Must divide `hidden`. @default 12 */
  heads?: number;
  /** Width of the feed-forward part. @default 4 x hidden */
  feedForward?: number;
  /** Tokens, or the name of a symbolic axis. @default 64 */
  sequence?: Dimension;
  /** Classes that the head tells apart. @default 8 */
  labels?: number;
  /** Seed of the backbone. @default 1 */
  seed?: number;
  /** Seed of the head: models that differ in it alone share their backbone. @default 1 */
  headSeed?: number;
}

/**
 * A BERT-like encoder over embedded tokens `[batch, sequence, hidden]` with a classification head `[batch, labels]`.
 * The defaults are BERT base: 12 layers of width 768, 340 MB of float32. The head is that of a fine-tuned classifier:
 * a dense layer over the first token, tanh, and the projection to labels.
 *
 * @throws RangeError where `heads` does not divide `hidden`
 */
export function transformer(name: string, options: TransformerOptions = {}): ModelDefinition {
  const { layers = 12, hidden = 768, heads = 12, sequence = 64, labels = 8, seed = 1, headSeed = 1 } = options;
  const feedForward = options.feedForward ?? 4 * hidden;
  if (hidden % heads !== 0) throw new RangeError(`heads ${heads} does not divide hidden ${hidden}`);

  const builder = new GraphBuilder(name, seed);
  builder.constant('shape.heads', [0, 0, heads, hidden / heads]);
  builder.constant('shape.hidden', [0, 0, hidden]);
  let stream = builder.input({ name: 'embeddings', type: 'float32', dims: ['batch', sequence, hidden], bound: 1.7 });
  for (let layer = 0; layer < layers; layer += 1) {
    const prefix = `layer${layer}`;
    stream = normalized(
      builder,
      `${prefix}.attention.norm`,
      hidden,
      stream,
      attention(builder, prefix, stream, hidden, heads),
    );
    const widened = gelu(builder, `${prefix}.gelu`, builder.linear(`${prefix}.up`, stream, hidden, feedForward));
    const narrowed = builder.linear(`${prefix}.down`, widened, feedForward, hidden);
    stream = normalized(builder, `${prefix}.output.norm`, hidden, stream, narrowed);
  }
  classifier(builder, stream, hidden, labels, headSeed);
  return builder.finish();
}

/** Multi-head self-attention without a mask: softmax(Q K^T / sqrt(d)) V, projected. */
function attention(builder: GraphBuilder, prefix: string, input: string, hidden: number, heads: number): string {
  const split = (part: string, perm: readonly number[]): string => {
    const projected = builder.linear(`${prefix}.${part}`, input, hidden, hidden);
    const shaped = builder.node(`${prefix}.${part}.split`, 'Reshape', [projected, 'shape.heads']);
    return builder.node(`${prefix}.${part}.heads`, 'Transpose', [shaped], { perm });
  };
  const query = split('query', [0, 2, 1, 3]);
  const key = split('key', [0, 2, 3, 1]);
  const value = split('value', [0, 2, 1, 3]);
  const scores = builder.node(`${prefix}.scores`, 'MatMul', [query, key]);
  const divisor = builder.scalar('attention.divisor', Math.sqrt(hidden / heads));
  const scaled = builder.node(`${prefix}.scaled`, 'Div', [scores, divisor]);
  const weights = builder.node(`${prefix}.softmax`, 'Softmax', [scaled], { axis: -1 });
  const mixed = builder.node(`${prefix}.mixed`, 'MatMul', [weights, value]);
  const ordered = builder.node(`${prefix}.ordered`, 'Transpose', [mixed], { perm: [0, 2, 1, 3] });
  const joined = builder.node(`${prefix}.joined`, 'Reshape', [ordered, 'shape.hidden']);
  return builder.linear(`${prefix}.project`, joined, hidden, hidden);
}

/** LayerNormalization(residual + update). */
function normalized(builder: GraphBuilder, name: string, hidden: number, residual: string, update: string): string {
  const sum = builder.node(`${name}.sum`, 'Add', [residual, update]);
  const scale = builder.weight(`${name}.scale`, [hidden], { center: 1, limit: 0.1 });
  const shift = builder.bias(`${name}.shift`, hidden);
  return builder.node(name, 'LayerNormalization', [sum, scale, shift], { axis: -1, epsilon: { float: 1e-12 } });
}

/** x/2 (1 + erf(x / sqrt 2)), in the five nodes that exporters write and onnxruntime fuses. */
function gelu(builder: GraphBuilder, name: string, input: string): string {
  const scaled = builder.node(`${name}.scaled`, 'Div', [input, builder.scalar('gelu.root', Math.SQRT2)]);
  const erf = builder.node(`${name}.erf`, 'Erf', [scaled]);
  const shifted = builder.node(`${name}.shifted`, 'Add', [erf, builder.scalar('gelu.one', 1)]);
  const product = builder.node(`${name}.product`, 'Mul', [input, shifted]);
  return builder.node(name, 'Mul', [product, builder.scalar('gelu.half', 0.5)]);
}

function classifier(builder: GraphBuilder, input: string, hidden: number, labels: number, seed: number): void {
  builder.constant('first', [0]);
  builder.constant('axis.sequence', [1]);
  const token = builder.node('head.token', 'Gather', [input, 'first'], { axis: 1 });
  const pooled = builder.node('head.pooled', 'Squeeze', [token, 'axis.sequence']);
  const dense = builder.node('head.tanh', 'Tanh', [builder.linear('head.dense', pooled, hidden, hidden, seed)]);
  const product = builder.node('head.matmul', 'MatMul', [
    dense,
    builder.matrix('head.weight', [hidden, labels], hidden, seed),
  ]);
  builder.node('logits', 'Add', [product, builder.bias('head.bias', labels, seed)]);
  builder.output('logits', ['batch', labels]);
}
