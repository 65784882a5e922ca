import { GraphBuilder, type ModelDefinition } from './graph-builder';
import type { Dimension } from './messages';
import { attended, declareShapes, headsOf, type LayerSizes, normalized, widened } from './transformer-parts';

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
  /** Different tokens, fed as ids and embedded by the model; 0: embeddings are fed. @default 0 */
  vocabulary?: number;
  /** What the head tells: classes of the whole input, or for each token whether an answer begins or ends there. */
  head?: 'classes' | 'spans';
  /** Classes that the head tells apart. @default 8 */
  labels?: number;
  /** Seed of the backbone. @default 1 */
  seed?: number;
  /** Seed of the head: models that differ in it alone share their backbone. @default 1 */
  headSeed?: number;
}

/**
 * A BERT-like encoder over embedded tokens `[batch, sequence, hidden]`, or over ids `[batch, sequence]`, with a
 * classification head `[batch, labels]` or one of spans `[batch, sequence, 2]`. The defaults are BERT base: 12 layers of
 * width 768, 340 MB of float32. The head of classes is that of a fine-tuned classifier: a dense layer over the first
 * token, tanh, and the projection to labels.
 *
 * @throws RangeError where `heads` does not divide `hidden`, or ids are fed along a symbolic axis
 */
export function transformer(name: string, options: TransformerOptions = {}): ModelDefinition {
  const { layers = 12, hidden = 768, heads = 12, sequence = 64, labels = 8, seed = 1, headSeed = 1 } = options;
  const { vocabulary = 0, head = 'classes' } = options;
  const sizes: LayerSizes = { hidden, heads, feedForward: options.feedForward ?? 4 * hidden };
  const builder = new GraphBuilder(name, seed);
  declareShapes(builder, sizes);
  let stream =
    vocabulary === 0
      ? builder.input({ name: 'embeddings', type: 'float32', dims: ['batch', sequence, hidden], bound: 1.7 })
      : embeddedTokens(builder, vocabulary, sequence, hidden);
  for (let layer = 0; layer < layers; layer += 1) stream = encoderLayer(builder, `layer${layer}`, stream, sizes);
  if (head === 'classes') {
    classifier(builder, stream, hidden, labels, headSeed);
  } else {
    builder.linear('spans', stream, hidden, 2, headSeed);
    builder.output('spans', ['batch', sequence, 2]);
  }
  return builder.finish();
}

/** Embeddings of ids and of their positions, added. */
function embeddedTokens(builder: GraphBuilder, vocabulary: number, sequence: Dimension, hidden: number): string {
  if (typeof sequence !== 'number') throw new RangeError('positions are embedded for a fixed sequence only');
  const tokens = builder.input({ name: 'tokens', type: 'int64', dims: ['batch', sequence], bound: vocabulary });
  const table = builder.weight('embedding', [vocabulary, hidden], { center: 0, limit: 1.2 });
  const positions = builder.weight('positions', [sequence, hidden], { center: 0, limit: 1.2 });
  const embedded = builder.node('embedded', 'Gather', [table, tokens], { axis: 0 });
  return added(builder, 'embedded.norm', hidden, embedded, positions);
}

/** Self-attention and the feed-forward part, each added to its input and normalized. */
export function encoderLayer(builder: GraphBuilder, prefix: string, input: string, sizes: LayerSizes): string {
  const mixed = attention(builder, prefix, input, sizes);
  const stream = added(builder, `${prefix}.attention.norm`, sizes.hidden, input, mixed);
  return added(builder, `${prefix}.output.norm`, sizes.hidden, stream, widened(builder, prefix, stream, sizes));
}

/** Multi-head self-attention without a mask. */
function attention(builder: GraphBuilder, prefix: string, input: string, sizes: LayerSizes): string {
  const part = (name: string, perm: readonly number[]): string =>
    headsOf(builder, `${prefix}.${name}`, input, sizes.hidden, perm);
  const [query, key, value] = [part('query', [0, 2, 1, 3]), part('key', [0, 2, 3, 1]), part('value', [0, 2, 1, 3])];
  return attended(builder, prefix, { query, key, value }, sizes);
}

/** LayerNormalization(residual + update). */
function added(builder: GraphBuilder, name: string, hidden: number, residual: string, update: string): string {
  return normalized(builder, name, builder.node(`${name}.sum`, 'Add', [residual, update]), hidden);
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
