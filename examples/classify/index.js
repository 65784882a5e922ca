// What an image shows: 32 x 32 pixels, three bytes each, base64. Answers the three likeliest labels.
const ort = require('onnxruntime-node');

const LABELS = ['plane', 'car', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const SIDE = 32;
const session = ort.InferenceSession.create('model.onnx');

exports.main = async ({ image }) => {
  const pixels = Buffer.from(image, 'base64');
  const planes = new Float32Array(3 * SIDE * SIDE);
  for (let at = 0; at < planes.length; at += 1) {
    planes[(at % 3) * SIDE * SIDE + Math.floor(at / 3)] = pixels[at] / 127.5 - 1;
  }
  const { logits } = await (await session).run({ image: new ort.Tensor('float32', planes, [1, 3, SIDE, SIDE]) });
  const top = Math.max(...logits.data);
  const weights = Array.from(logits.data, (logit) => Math.exp(logit - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const ranked = weights.map((weight, at) => ({ label: LABELS[at], probability: weight / total }));
  return { labels: ranked.sort((one, other) => other.probability - one.probability).slice(0, 3) };
};
