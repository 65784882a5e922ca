import { readConfig } from '../../../common/src/config';
import { PluginError } from '../../../common/src/errors';
import { DAEMON_CONFIG } from '../../../tensor-daemon/src/config';
import { keepsMuch, whyNoGain } from '../../../tensor-daemon/src/ingest/memory-gain';
import { interfaceChange, type ModelInterface } from '../../../tensor-daemon/src/ingest/model-interface';
import { Refusals } from '../../../tensor-daemon/src/ingest/refusals';
import { onAbort } from '../../../tensor-daemon/src/on-abort';

const MB = 1e6;

describe('interfaceChange', () => {
  const original: ModelInterface = {
    inputs: [{ name: 'x', type: 'float32', dims: ['batch', 64] }, { name: 'list' }],
    outputs: [{ name: 'y', type: 'int64', dims: [] }],
  };
  const [x = { name: '' }, list = { name: '' }] = original.inputs;

  it('finds none between equals', () => {
    expect(interfaceChange(original, structuredClone(original))).toBeUndefined();
  });

  it.each<[string, Partial<ModelInterface>, RegExp]>([
    ['one more input', { inputs: [x, list, { name: 'a' }] }, /^input 2 is 'a' in place of none$/],
    ['one less', { inputs: [x] }, /^input 1 is none in place of 'list'$/],
    ['another order', { inputs: [list, x] }, /^input 0 is 'list' in place of 'x'/],
    ['another type', { inputs: [{ ...x, type: 'float16' }, list] }, /^input 0 is 'x' float16 /],
    ['another shape', { inputs: [{ ...x, dims: ['rows', 64] }, list] }, /"rows"/],
    ['another output', { outputs: [{ name: 'z', type: 'int64', dims: [] }] }, /^output 0 is 'z'/],
  ])('names the first difference: %s', (_what, change, text) => {
    expect(interfaceChange(original, { ...original, ...change })).toMatch(text);
  });
});

describe('what sharing gains', () => {
  it.each([
    ['a transformer', 680, 30, 378, true],
    ['a recurrent net', 134, 22, 86, true],
    ['quantized convolutions whose kernels pack for themselves', 28, 51, 53, false],
    ['those that cost more than a plain session', 28, 78, 61, false],
  ])('of %s', (_what, tensors, cut, plain, pays) => {
    const refusal = whyNoGain(tensors * MB, cut * MB, plain * MB);
    expect(refusal === undefined).toBe(pays);
    if (!pays)
      expect(refusal).toMatchObject({ reason: 'no-gain', detail: expect.stringContaining(`${cut} MB`) as string });
  });

  it('is measured where a session keeps a lot for itself, and not for small models', () => {
    expect([keepsMuch(680 * MB, 30 * MB), keepsMuch(28 * MB, 40 * MB), keepsMuch(1 * MB, 40 * MB)]).toEqual([
      false,
      true,
      false,
    ]);
  });
});

describe('Refusals', () => {
  const unshareable = new PluginError('ERR_MODEL_UNSHAREABLE', 'no');

  it('are repeated until their time is over', () => {
    let now = 1_000_000;
    const refusals = new Refusals(10, 500, () => now);
    refusals.note('a', unshareable);
    now += 499;
    expect(() => refusals.check('a')).toThrow(unshareable);
    expect(() => refusals.check('b')).not.toThrow();
    now += 2;
    expect(() => refusals.check('a')).not.toThrow();
  });

  it('are bounded', () => {
    const refusals = new Refusals(2, 500, () => 1);
    for (const key of ['a', 'b', 'c']) refusals.note(key, unshareable);
    expect(() => refusals.check('a')).not.toThrow();
    expect(() => refusals.check('c')).toThrow(unshareable);
  });

  it.each([
    new PluginError('ERR_STORE_FULL', 'full', { retriable: true }),
    new PluginError('ERR_MODEL_UNKNOWN', 'upload it first'),
    new PluginError('ERR_INGEST_FAILED', 'given up', { retriable: true }),
  ])('do not last where another try may end otherwise: $code', (error) => {
    const refusals = new Refusals(2, 500, () => 1);
    refusals.note('a', error);
    expect(() => refusals.check('a')).not.toThrow();
  });
});

describe('onAbort', () => {
  it('calls at once where the signal has aborted already', () => {
    const listener = jest.fn();
    onAbort(AbortSignal.abort(), listener);
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it('calls once when it aborts, and not after it was taken away', () => {
    const controller = new AbortController();
    const [stays, goes] = [jest.fn(), jest.fn()];
    onAbort(controller.signal, stays);
    onAbort(controller.signal, goes)();
    controller.abort();
    expect([stays.mock.calls.length, goes.mock.calls.length]).toEqual([1, 0]);
  });
});

describe('tensorBytesMin', () => {
  const read = (bytes: string) => readConfig(DAEMON_CONFIG, { TETRIS_DAEMON_TENSOR_BYTES_MIN: bytes });

  it.each(['1', '64'])('bad call: %s bytes, which shapes of tensors have', (bytes) => {
    expect(() => read(bytes)).toThrow(/TETRIS_DAEMON_TENSOR_BYTES_MIN/);
  });

  it('may be one more', () => {
    expect(read('65').tensorBytesMin).toBe(65);
  });
});
