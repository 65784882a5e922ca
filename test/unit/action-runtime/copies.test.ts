/**
 * How often the bytes of a tensor are copied between user code and onnxruntime: counted by the buffers that hold them.
 */
import { Tensor } from 'onnxruntime-common';
import { joinInputs, splitOutputs } from '../../../action-runtime/src/batching/join';
import type { InferenceWorker } from '../../../action-runtime/src/inference/inference-worker';
import { PoolSession, type SessionOwner } from '../../../action-runtime/src/inference/pool-session';
import type { Outputs, RunInput, RunRequest, WireTensor } from '../../../action-runtime/src/inference/protocol';
import { copyOf, readValue, tensorOf } from '../../../action-runtime/src/inference/tensors';

const OWNER: SessionOwner = {
  run: async () => ({}),
  holders: () => [],
  forget: () => undefined,
  pads: false,
  loading: (load) => load(),
  admitted: (_bytes, work) => work(),
  notice: () => undefined,
};
const MODEL = {
  name: 'm',
  locate: async () => ({ kind: 'path', path: '' }) as const,
  options: {},
  single: false,
};

/** Sends a request as a pool does; what the worker gets of it, and its own answer of four numbers a row. */
async function sent(
  input: RunInput,
): Promise<{ buffers: ArrayBuffer[]; moved: readonly ArrayBuffer[]; outputs: Outputs }> {
  const seen: { buffers: ArrayBuffer[]; moved: readonly ArrayBuffer[] } = { buffers: [], moved: [] };
  const call = async (request: RunRequest, transfer: readonly ArrayBuffer[]): Promise<unknown> => {
    const tensors = Object.values(request.feeds).flatMap((fed) => ('tensor' in fed ? [fed.tensor] : []));
    seen.buffers = tensors.map(({ data }) => (data as Float32Array).buffer as ArrayBuffer);
    seen.moved = transfer;
    const rows = tensors[0]?.dims[0] ?? 0;
    return { outputs: { y: { type: 'float32', dims: [rows, 4], data: new Float32Array(4 * rows) } } };
  };
  const session = new PoolSession(OWNER, 1, MODEL);
  const outputs = await session.runIn({ call } as unknown as InferenceWorker, input);
  return { ...seen, outputs };
}

const userTensor = (): Tensor => new Tensor('float32', Float32Array.of(1, 2, 3, 4), [1, 4]);
const requestOf = (tensor: Tensor): RunInput => ({
  feeds: { x: copyOf(readValue(tensor)) },
  fetches: { y: null },
  options: {},
});
const bufferOf = ({ feeds }: RunInput): ArrayBufferLike => {
  const { data } = (feeds['x'] as { tensor: WireTensor }).tensor;
  return (data as Float32Array).buffer;
};

describe("a tensor's bytes", () => {
  it('are copied once into a call that runs alone, and moved from then on', async () => {
    const given = userTensor();
    const input = requestOf(given);
    const copy = bufferOf(input);
    expect(copy).not.toBe((given.data as Float32Array).buffer);
    const { buffers, moved } = await sent(input);
    expect(buffers).toEqual([copy]);
    expect(buffers[0]).toBe(copy);
    expect(moved).toEqual(buffers);
  });

  it('are copied twice where calls are joined: when the call is made, and beside those of its mates', async () => {
    const inputs = [requestOf(userTensor()), requestOf(userTensor())];
    const joined = joinInputs(inputs);
    expect(inputs.map(bufferOf)).not.toContain(bufferOf(joined));
    const { buffers, moved } = await sent(joined);
    expect(buffers[0]).toBe(bufferOf(joined));
    expect(moved).toEqual(buffers);
  });

  it('of results are not copied for a call that runs alone, and once where a joint result is cut apart', async () => {
    const { outputs } = await sent(requestOf(userTensor()));
    const result = outputs['y'] as WireTensor;
    expect((tensorOf(result).data as Float32Array).buffer).toBe((result.data as Float32Array).buffer);
    const joint: Outputs = { y: { type: 'float32', dims: [2, 4], data: new Float32Array(8) } };
    for (const { y } of splitOutputs(joint, [1, 1])) {
      expect((y?.data as Float32Array).buffer.byteLength).toBe(16);
      expect((tensorOf(y as WireTensor).data as Float32Array).buffer).toBe((y?.data as Float32Array).buffer);
    }
  });
});
