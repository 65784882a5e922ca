// Writes on, character by character. The keys and values of what was read are kept and fed again: the KV cache.
const ort = require('onnxruntime-node');

const ALPHABET = [...'abcdefghijklmnopqrstuvwxyz .,!?\n'];
const [LAYERS, HEADS, WIDTH] = [4, 4, 32];
const session = ort.InferenceSession.create('model.onnx');

/** The cache before anything was read: no tokens. */
function emptyCache() {
  const cache = {};
  for (let layer = 0; layer < LAYERS; layer += 1) {
    for (const part of ['key', 'value']) {
      cache[`past.${layer}.${part}`] = new ort.Tensor('float32', new Float32Array(0), [1, HEADS, 0, WIDTH]);
    }
  }
  return cache;
}

/** Reads one more token: what may come next, and the cache with it. */
async function read(token, cache) {
  const tokens = new ort.Tensor('int64', BigInt64Array.of(BigInt(token)), [1, 1]);
  const { logits, ...present } = await (await session).run({ tokens, ...cache });
  const next = Object.entries(present).map(([name, tensor]) => [name.replace('present', 'past'), tensor]);
  return { logits: logits.data, cache: Object.fromEntries(next) };
}

exports.main = async ({ prompt, length = 20 }) => {
  let state = { cache: emptyCache() };
  for (const character of prompt) state = await read(Math.max(0, ALPHABET.indexOf(character)), state.cache);
  let text = '';
  while (text.length < length) {
    const token = state.logits.indexOf(Math.max(...state.logits));
    text += ALPHABET[token];
    state = await read(token, state.cache);
  }
  return { text };
};
