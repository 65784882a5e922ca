// A web action: a page with an image whose every pixel a network has coloured. `?seed=7` paints another one.
const { crc32, deflateSync } = require('node:zlib');
const ort = require('onnxruntime-node');

const SIDE = 96;
const session = ort.InferenceSession.create('model.onnx');

/** Where each pixel is, and how far from the middle, in waves that the seed chooses: eight numbers a pixel. */
function pixelFeatures(seed) {
  const features = new Float32Array(SIDE * SIDE * 8);
  for (let at = 0; at < SIDE * SIDE; at += 1) {
    const [x, y] = [(at % SIDE) / SIDE - 0.5, Math.floor(at / SIDE) / SIDE - 0.5];
    const radius = Math.hypot(x, y);
    const waves = [1, 2, 3, 4].map((wave) => Math.sin(wave * (seed + 8 * (wave % 2 ? x : y)) + 12 * radius));
    features.set([4 * x, 4 * y, 4 * radius, 1, ...waves], at * 8);
  }
  return new ort.Tensor('float32', features, [SIDE * SIDE, 8]);
}

function chunk(type, data) {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(data.length);
  const body = Buffer.concat([Buffer.from(type), data]);
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(crc32(body));
  return Buffer.concat([head, body, tail]);
}

/** A PNG of 8-bit red, green and blue; each row begins with its filter, none. */
function png(pixels) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Array.from({ length: SIDE }, (_, row) => [
    Buffer.of(0),
    pixels.subarray(row * SIDE * 3, (row + 1) * SIDE * 3),
  ]);
  const data = deflateSync(Buffer.concat(rows.flat()));
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

exports.main = async ({ seed = 1 }) => {
  const { logits } = await (await session).run({ features: pixelFeatures(Number(seed)) });
  const pixels = Buffer.from(Uint8Array.from(logits.data, (logit) => 255 / (1 + Math.exp(-2 * logit))));
  const image = `data:image/png;base64,${png(pixels).toString('base64')}`;
  return {
    statusCode: 200,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: `<!doctype html><title>Painting ${Number(seed)}</title><img alt="A painting" width="384" src="${image}">`,
  };
};
