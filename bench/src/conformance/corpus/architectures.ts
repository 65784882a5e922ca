/** Whole networks, small: what optimizers do to them as a whole. */
import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, type ModelProto } from '@tetris/onnx-format/messages';
import { decoderStep } from '../../models/decoder';
import type { ModelDefinition } from '../../models/graph-builder';
import { floats, integers } from '../../models/messages';
import { Random } from '../../models/random';
import { convnet, lstm, perceptron, textCnn } from '../../models/small-models';
import { transformer } from '../../models/transformer';
import { type CorpusModel, modelOf } from './corpus-model';
import type { Range } from './typed-data';

export function* architectureModels(seed: number): Generator<CorpusModel> {
  const encoder = { layers: 2, hidden: 64, heads: 4, sequence: 8 };
  const definitions = [
    transformer('transformer', { ...encoder, seed }),
    // The same weights but for the head: all but its tensors are shared with the one before.
    transformer('transformer-other-head', { ...encoder, seed, headSeed: seed + 1 }),
    decoderStep('decoder', { layers: 2, hidden: 64, heads: 4 }),
    perceptron('perceptron', { seed }),
    convnet('convnet', { imageSize: 32, width: 8, seed }),
    textCnn('text-cnn', { vocabulary: 300, width: 16, filters: 8, sequence: 12, seed }),
    lstm('lstm', { inputs: 16, hidden: 32, seed }),
  ];
  for (const definition of definitions) {
    yield { name: `architectures/${definition.name}`, model: messageOf(definition), ranges: rangesOf(definition) };
  }
}

function rangesOf({ inputs }: ModelDefinition): Record<string, Range> {
  const ranges = inputs.map(({ name, type, bound }): [string, Range] => {
    return [name, type === 'int64' ? [0, bound - 1] : [-bound, bound]];
  });
  return Object.fromEntries(ranges);
}

/** A definition with its weights drawn, as one message. */
function messageOf({ graph, weights, constants }: ModelDefinition): ModelProto {
  const initializer = weights.map(({ name, dims, seed, spread }) => {
    const values = new Float32Array(dims.reduce((product, size) => product * size, 1));
    new Random(seed).fill(values, spread);
    return floats(name, dims, [...values]);
  });
  const model = modelOf({ nodes: [], inputs: [], outputs: [] });
  const whole = {
    ...graph,
    initializer: [...initializer, ...constants.map(({ name, values }) => integers(name, values))],
  };
  model.graph = create(GraphProtoSchema, whole);
  return model;
}
