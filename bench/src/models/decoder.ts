import { GraphBuilder, type ModelDefinition } from './graph-builder';
import type { Dimension } from './messages';
import { attended, declareShapes, headsOf, type LayerSizes, normalized, widened } from './transformer-parts';

export interface DecoderOptions {
  /** @default 12 */
  layers?: number;
  /** Width of the residual stream. @default 768 */
  hidden?: number;
  /** Must divide `hidden`. @default 12 */
  heads?: number;
  /** Tokens before this one, whose keys and values are fed, or the name of a symbolic axis. @default 31 */
  past?: Dimension;
  /** Whether it takes the token's id, `tokens` `[batch, 1]`, and embeds it itself. @default false */
  tokens?: boolean;
  /** Tokens that the head tells apart. @default 1024 */
  vocabulary?: number;
  /** @default 1 */
  seed?: number;
}

/**
 * One step of a GPT-like decoder: the embedded token `[batch, 1, hidden]` and the keys and values of those before it,
 * `past.<layer>.key` and `.value` `[batch, heads, past, hidden / heads]`, to the next token's `logits` `[batch,
 * vocabulary]` and the keys and values of all, `present.<layer>.key` and `.value`. The defaults are GPT-2's small one,
 * but for the head.
 *
 * @throws RangeError where `heads` does not divide `hidden`
 */
export function decoderStep(name: string, options: DecoderOptions = {}): ModelDefinition {
  const { layers = 12, hidden = 768, heads = 12, past = 31, vocabulary = 1024, seed = 1, tokens = false } = options;
  const sizes: LayerSizes = { hidden, heads, feedForward: 4 * hidden };
  const builder = new GraphBuilder(name, seed);
  declareShapes(builder, sizes);
  builder.constant('axis.sequence', [1]);
  let stream = tokens ? embeddedToken(builder, vocabulary, hidden) : embeddingInput(builder, hidden);
  for (let layer = 0; layer < layers; layer += 1) {
    const [prefix, cache] = [`layer${layer}`, { layer, past }];
    const before = normalized(builder, `${prefix}.attention.norm`, stream, hidden);
    const mixed = builder.node(`${prefix}.attention`, 'Add', [stream, cachedAttention(builder, cache, before, sizes)]);
    const after = normalized(builder, `${prefix}.output.norm`, mixed, hidden);
    stream = builder.node(`${prefix}.output`, 'Add', [mixed, widened(builder, prefix, after, sizes)]);
  }
  const token = builder.node('head.token', 'Squeeze', [
    normalized(builder, 'head.norm', stream, hidden),
    'axis.sequence',
  ]);
  builder.linear('logits', token, hidden, vocabulary);
  builder.output('logits', ['batch', vocabulary]);
  const total = typeof past === 'number' ? past + 1 : 'total';
  for (let layer = 0; layer < layers; layer += 1) {
    for (const part of PARTS) {
      builder.output(`present.${layer}.${part}`, ['batch', heads, total, hidden / heads]);
    }
  }
  return builder.finish();
}

const PARTS = ['key', 'value'] as const;

const embeddingInput = (builder: GraphBuilder, hidden: number): string =>
  builder.input({ name: 'embedding', type: 'float32', dims: ['batch', 1, hidden], bound: 1.7 });

function embeddedToken(builder: GraphBuilder, vocabulary: number, hidden: number): string {
  const token = builder.input({ name: 'tokens', type: 'int64', dims: ['batch', 1], bound: vocabulary });
  const table = builder.weight('embedding', [vocabulary, hidden], { center: 0, limit: 1.7 });
  return builder.node('embedded', 'Gather', [table, token], { axis: 0 });
}

/** Attention of one token over those before it and itself. */
function cachedAttention(
  builder: GraphBuilder,
  { layer, past }: { layer: number; past: Dimension },
  input: string,
  sizes: LayerSizes,
): string {
  const { hidden, heads } = sizes;
  const prefix = `layer${layer}`;
  const perm = [0, 2, 1, 3];
  const query = headsOf(builder, `${prefix}.query`, input, hidden, perm);
  const [key = '', value = ''] = PARTS.map((part) => {
    const dims = ['batch', heads, past, hidden / heads];
    const earlier = builder.input({ name: `past.${layer}.${part}`, type: 'float32', dims, bound: 1.7 });
    const own = headsOf(builder, `${prefix}.${part}`, input, hidden, perm);
    return builder.node(`present.${layer}.${part}`, 'Concat', [earlier, own], { axis: 2 });
  });
  const turned = builder.node(`${prefix}.turned`, 'Transpose', [key], { perm: [0, 1, 3, 2] });
  return attended(builder, prefix, { query, key: turned, value }, sizes);
}
