// Embeddings, as the action `embed` answers them, to topics: the second step of a sequence.
const ort = require('onnxruntime-node');

const TOPICS = ['animals', 'weather', 'sports', 'music', 'food'];
const session = ort.InferenceSession.create('model.onnx');

exports.main = async ({ embeddings }) => {
  const features = new ort.Tensor('float32', Float32Array.from(embeddings.flat()), [
    embeddings.length,
    embeddings[0].length,
  ]);
  const { logits } = await (await session).run({ features });
  const scores = embeddings.map((_, row) =>
    Array.from(logits.data.slice(row * TOPICS.length, (row + 1) * TOPICS.length)),
  );
  return { topics: scores.map((row) => ({ topic: TOPICS[row.indexOf(Math.max(...row))], score: Math.max(...row) })) };
};
