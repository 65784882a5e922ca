/**
 * The action that a profiled instance runs: ordinary user code, so that what is measured is what a user gets. It loads
 * the model in its first run and keeps it, makes inputs of the asked size, and times batches on every worker at once.
 */

/** Parameters of one run. */
export interface ProfileRequest {
  model: string;
  graphOptimizationLevel: 'disabled' | 'all';
  batch: number;
  concurrency: number;
  /** Batches timed by each of the concurrent loops. */
  rounds: number;
  /** Sizes of symbolic dimensions other than the first; 1 where it has none. */
  dims: Record<string, number>;
}

/** What a run answers. */
export interface ProfileReply {
  loadMs: number;
  latenciesMs: number[];
  /** Wall-clock time of all batches. */
  totalMs: number;
}

export const PROFILE_ACTION = `
const ort = require('onnxruntime-node');
let session;
let loadMs = 0;

const FLOATS = new Set(['float32', 'float64']);
const ARRAYS = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array, uint64: BigUint64Array, int32: Int32Array,
  uint32: Uint32Array, int16: Int16Array, uint16: Uint16Array, int8: Int8Array, uint8: Uint8Array, bool: Uint8Array };

// Integers are ones: valid as token, mask and type ids of any vocabulary.
function tensorFor({ name, type, shape }, batch, dims) {
  const sizes = shape.map((dim, at) => (typeof dim === 'number' ? dim : at === 0 ? batch : dims[dim] || 1));
  const length = sizes.reduce((product, size) => product * size, 1);
  const ArrayType = ARRAYS[type];
  if (ArrayType === undefined) throw new Error('input ' + name + ' is of type ' + type + ', which the profiler cannot make up');
  const data = new ArrayType(length);
  for (let at = 0; at < length; at += 1) {
    data[at] = FLOATS.has(type) ? Math.sin(at * 12.9898) : type.endsWith('64') ? 1n : 1;
  }
  return new ort.Tensor(type, data, sizes);
}

async function main({ model, graphOptimizationLevel, batch, concurrency, rounds, dims }) {
  if (session === undefined) {
    const started = performance.now();
    session = await ort.InferenceSession.create(model, { graphOptimizationLevel });
    loadMs = performance.now() - started;
  }
  const feeds = Object.fromEntries(session.inputMetadata.map((input) => [input.name, tensorFor(input, batch, dims)]));
  const latenciesMs = [];
  const loop = async (count, timed) => {
    for (let round = 0; round < count; round += 1) {
      const started = performance.now();
      await session.run(feeds);
      if (timed) latenciesMs.push(performance.now() - started);
    }
  };
  const everywhere = (count, timed) => Promise.all(Array.from({ length: concurrency }, () => loop(count, timed)));
  await everywhere(2, false);
  const started = performance.now();
  await everywhere(rounds, true);
  return { loadMs, latenciesMs, totalMs: performance.now() - started };
}
`;
