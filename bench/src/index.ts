export { buildExternalModel, type BuiltModel, buildModel, cachedModel, type Feed, feedsOf } from './models/built-model';
export { decoderStep, type DecoderOptions } from './models/decoder';
export { type Dimension, GraphBuilder, type InputSpec, type ModelDefinition, valueInfo } from './models/graph-builder';
export { writeModel } from './models/model-writer';
export { resnet, type ResnetOptions } from './models/resnet';
export { convnet, lstm, perceptron, textCnn } from './models/small-models';
export { transformer, type TransformerOptions } from './models/transformer';
export { type NodeVersion, nodeVersions } from './nodes/node-versions';
export { freePort } from './servers/server-process';
