/** The models of `examples/`: the shapes of real ones, with weights drawn by code instead of learned. */
import { decoderStep } from '../models/decoder';
import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import { convnet, perceptron } from '../models/small-models';
import { normalized, widened } from '../models/transformer-parts';

/** Width of a sentence's embedding. */
const EMBEDDING = 64;

/** `[batch, 3, 32, 32]` to ten classes. */
export const classifier = (): ModelDefinition => convnet('model', { imageSize: 32, width: 16, labels: 10 });

/** A sentence's embedding to five topics. */
export const topics = (): ModelDefinition =>
  perceptron('model', { inputs: EMBEDDING, hidden: 128, labels: 5, seed: 2 });

/** Eight features of a pixel to its red, green and blue. */
export const painter = (): ModelDefinition => perceptron('model', { inputs: 8, hidden: 64, labels: 3, seed: 3 });

/** One step of a decoder over 32 characters, with as many tokens before it as there are. */
export const generator = (): ModelDefinition =>
  decoderStep('model', { layers: 4, hidden: 128, heads: 4, past: 'past', vocabulary: 32, tokens: true });

/**
 * An encoder as transformers.js loads it: `input_ids` and `attention_mask` `[batch, sequence]` to `last_hidden_state`
 * `[batch, sequence, 64]`. Each token by itself: a sentence's embedding, their mean, does not depend on the padding.
 */
export function embedder(vocabulary: number): ModelDefinition {
  const builder = new GraphBuilder('model', 1);
  const dims = ['batch', 'sequence'];
  const tokens = builder.input({ name: 'input_ids', type: 'int64', dims, bound: vocabulary });
  const mask = builder.input({ name: 'attention_mask', type: 'int64', dims, bound: 2 });
  const table = builder.weight('embedding', [vocabulary, EMBEDDING], { center: 0, limit: 1.7 });
  const embedded = builder.node('embedded', 'Gather', [table, tokens], { axis: 0 });
  const sizes = { hidden: EMBEDDING, heads: 1, feedForward: 4 * EMBEDDING };
  const wide = widened(builder, 'layer0', normalized(builder, 'layer0.norm', embedded, EMBEDDING), sizes);
  const kept = builder.node('mask.float', 'Cast', [mask], { to: 1 });
  const column = builder.node('mask.column', 'Unsqueeze', [kept, builder.constant('axis.hidden', [2])]);
  builder.node('last_hidden_state', 'Mul', [builder.node('layer0.output', 'Add', [embedded, wide]), column]);
  builder.output('last_hidden_state', [...dims, EMBEDDING]);
  return builder.finish();
}
