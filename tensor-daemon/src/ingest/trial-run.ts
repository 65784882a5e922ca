/**
 * One run of a session with made-up inputs, to compare what a model computes before and after it was cut. Every free
 * dimension is 1. Many models refuse such inputs; then nothing is learned.
 */
import { createHash } from 'node:crypto';
import { privateBytes } from '@tetris/common/environment';
import { errorMessage } from '@tetris/common/errors';
import { type InferenceSession, Tensor } from 'onnxruntime-node';

/** What a trial tells; times do not enter it. */
export type TrialOutcome =
  /** `digest` covers names, types, shapes and bytes of all outputs; `privateBytes` are taken after the run. */
  { ran: true; digest: string; privateBytes: number } | { ran: false; reason: string };

/** A trial's inputs have no more numbers than this together. */
const ELEMENTS_MAX = 16 * 1024 ** 2;

/** Small numbers, different ones next to each other; of whole numbers 0 and 1, which are indices nearly anywhere. */
const FILLS: Readonly<Record<string, (count: number) => Tensor.DataType>> = {
  float32: (count) => Float32Array.from({ length: count }, (_, index) => fraction(index)),
  float64: (count) => Float64Array.from({ length: count }, (_, index) => fraction(index)),
  float16: (count) => Uint16Array.from({ length: count }, (_, index) => 0x3000 + (index % 1021)),
  int8: (count) => Int8Array.from({ length: count }, (_, index) => (index % 7) - 3),
  uint8: (count) => Uint8Array.from({ length: count }, (_, index) => index % 7),
  int16: (count) => Int16Array.from({ length: count }, (_, index) => index % 2),
  uint16: (count) => Uint16Array.from({ length: count }, (_, index) => index % 2),
  int32: (count) => Int32Array.from({ length: count }, (_, index) => index % 2),
  uint32: (count) => Uint32Array.from({ length: count }, (_, index) => index % 2),
  int64: (count) => BigInt64Array.from({ length: count }, (_, index) => BigInt(index % 2)),
  uint64: (count) => BigUint64Array.from({ length: count }, (_, index) => BigInt(index % 2)),
  bool: (count) => Uint8Array.from({ length: count }, (_, index) => (index + 1) % 2),
  string: (count) => Array<string>(count).fill('a'),
};

function fraction(index: number): number {
  return ((index * 7919) % 61) / 61 - 0.5;
}

export async function trialRun(session: InferenceSession): Promise<TrialOutcome> {
  try {
    const digest = digestOf(await session.run(trialInputs(session)));
    return { ran: true, digest, privateBytes: privateBytes() };
  } catch (error) {
    return { ran: false, reason: errorMessage(error) };
  }
}

/** @throws RangeError where there is an input that cannot be made up */
function trialInputs(session: InferenceSession): Record<string, Tensor> {
  let elements = 0;
  const inputs = session.inputMetadata.map((input): [string, Tensor] => {
    const fill = input.isTensor ? FILLS[input.type] : undefined;
    if (!input.isTensor || fill === undefined)
      throw new RangeError(`input '${input.name}' is of no type that is made up`);
    const dims = input.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : 1));
    const count = dims.reduce((product, size) => product * size, 1);
    elements += count;
    if (elements > ELEMENTS_MAX) throw new RangeError(`its inputs have more than ${ELEMENTS_MAX} numbers`);
    return [input.name, new Tensor(input.type, fill(count), dims)];
  });
  return Object.fromEntries(inputs);
}

function digestOf(outputs: InferenceSession.OnnxValueMapType): string {
  const hash = createHash('sha256');
  for (const [name, value] of Object.entries(outputs)) {
    const { type, dims, data } = value;
    hash.update(JSON.stringify([name, type, dims]));
    hash.update(
      ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : JSON.stringify(data),
    );
  }
  return hash.digest('hex');
}
