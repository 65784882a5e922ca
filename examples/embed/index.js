// Sentences to embeddings with transformers.js, whose model lies in the archive in the layout of a hub.
const path = require('node:path');
const { env, pipeline } = require('@huggingface/transformers');

env.allowRemoteModels = false;
env.localModelPath = path.join(__dirname, 'models');
const extractor = pipeline('feature-extraction', 'tiny-embedder', { dtype: 'fp32' });

exports.main = async ({ texts }) => {
  const extract = await extractor;
  const embeddings = await extract(texts, { pooling: 'mean', normalize: true });
  return { embeddings: embeddings.tolist() };
};
