import { difference, tellApart } from '../../../../action-runtime/src/batching/compare';
import { batchSymbol, joinable, joinInputs, splitOutputs } from '../../../../action-runtime/src/batching/join';
import { JointRuns } from '../../../../action-runtime/src/batching/joint-runs';
import type { Outputs, RunInput, SessionInfo, WireTensor } from '../../../../action-runtime/src/inference/protocol';

type Shape = readonly (number | string)[];

const metadata = (name: string, shape: Shape, type: WireTensor['type'] = 'float32') => ({
  name,
  isTensor: true as const,
  type,
  shape,
});

function info(inputs: readonly ReturnType<typeof metadata>[], outputs: typeof inputs): SessionInfo {
  return {
    inputNames: inputs.map(({ name }) => name),
    outputNames: outputs.map(({ name }) => name),
    inputMetadata: inputs,
    outputMetadata: outputs,
  };
}

const simple = info([metadata('x', ['n', 'length'])], [metadata('y', ['n', 'length'])]);
const tensor = (dims: number[], from: number, type: WireTensor['type'] = 'float32'): WireTensor => ({
  type,
  dims,
  data: Float32Array.from({ length: dims.reduce((product, size) => product * size, 1) }, (_, index) => from + index),
});
const input = (fed: WireTensor, rest: Partial<RunInput> = {}): RunInput => ({
  feeds: { x: { tensor: fed } },
  fetches: { y: null },
  options: {},
  ...rest,
});

describe('the batch axis', () => {
  it('is the first of every input and output, under one name', () => {
    expect(batchSymbol(simple)).toBe('n');
    expect(batchSymbol(info([metadata('x', ['n', 3])], [metadata('y', [1, 3])]))).toBeUndefined();
    expect(batchSymbol(info([metadata('x', ['n', 3])], [metadata('y', [])]))).toBeUndefined();
    expect(batchSymbol(info([metadata('x', ['n', 3])], [metadata('y', ['m', 3])]))).toBeUndefined();
    expect(batchSymbol(info([metadata('x', ['n']), metadata('k', [2])], [metadata('y', ['n'])]))).toBeUndefined();
    expect(batchSymbol(info([metadata('x', ['n', 3])], [metadata('y', ['n', 'n'])]))).toBeUndefined();
    expect(batchSymbol(info([metadata('x', ['', 3])], [metadata('y', ['', 3])]))).toBeUndefined();
    expect(batchSymbol(info([], [metadata('y', ['n'])]))).toBeUndefined();
  });
});

describe('a request', () => {
  it('can be joined to those of its shape and its wanted outputs', () => {
    const key = (given: RunInput): string | undefined => joinable(simple, given)?.key;
    expect(joinable(simple, input(tensor([2, 5], 0)))?.rows).toBe(2);
    expect(key(input(tensor([1, 5], 0)))).toBe(key(input(tensor([3, 5], 7))));
    expect(key(input(tensor([1, 5], 0)))).not.toBe(key(input(tensor([1, 6], 0))));
  });

  it('runs alone where its feeds are wrong or it wants something special', () => {
    const alone: RunInput[] = [
      input(tensor([0, 5], 0)),
      input(tensor([5], 0)),
      input({ ...tensor([1, 5], 0), type: 'int32' }),
      input({ ...tensor([1, 5], 0), dims: [1, 6] }),
      input(tensor([1, 5], 0), { feeds: {} }),
      input(tensor([1, 5], 0), { feeds: { x: { value: null } } }),
      input(tensor([1, 5], 0), { fetches: { y: { tensor: tensor([1, 5], 0) } } }),
      input(tensor([1, 5], 0), { options: { tag: 'mine' } }),
    ];
    for (const given of alone) expect(joinable(simple, given)).toBeUndefined();
    const two = info([metadata('x', ['n', 2]), metadata('z', ['n', 2])], [metadata('y', ['n', 2])]);
    const feeds = { x: { tensor: tensor([2, 2], 0) }, z: { tensor: tensor([3, 2], 0) } };
    expect(joinable(two, { feeds, fetches: { y: null }, options: {} })).toBeUndefined();
  });
});

describe('joining and splitting', () => {
  it('gives everybody their own rows back, in buffers of their own', () => {
    const parts = [tensor([1, 3], 10), tensor([2, 3], 20), tensor([1, 3], 40)];
    const joint = joinInputs(parts.map((part) => input(part)));
    const fed = joint.feeds['x'];
    if (fed === undefined || !('tensor' in fed)) throw new Error('no tensor');
    expect(fed.tensor.dims).toEqual([4, 3]);
    const split = splitOutputs({ y: fed.tensor }, [1, 2, 1]);
    expect(split.map(({ y }) => y)).toEqual(parts);
    for (const { y } of split)
      expect((y?.data as Float32Array).buffer.byteLength).toBe(y === undefined ? 0 : 4 * y.data.length);
  });

  it('carries texts', () => {
    const texts = (data: string[]): WireTensor => ({ type: 'string', dims: [data.length], data });
    const joint = joinInputs([input(texts(['a'])), input(texts(['b', 'c']))]);
    expect(joint.feeds['x']).toEqual({ tensor: texts(['a', 'b', 'c']) });
    expect(splitOutputs({ y: texts(['a', 'b', 'c']) }, [1, 2])[1]).toEqual({ y: texts(['b', 'c']) });
  });

  it('bad call: results with another number of rows are refused', () => {
    expect(() => splitOutputs({ y: tensor([3, 2], 0) }, [1, 1])).toThrow(/output 'y' has 3 rows for 2/);
  });
});

describe('the comparison', () => {
  const y = (...numbers: number[]): Outputs => ({
    y: { type: 'float32', dims: [numbers.length], data: Float32Array.from(numbers) },
  });

  it('lets rounding pass, and NaN and infinity where both have them', () => {
    expect(difference(y(1, NaN, Infinity, 100), y(1.00001, NaN, Infinity, 100))).toBeUndefined();
    expect(difference(y(1, NaN), y(1, 1))).toBe("output 'y' has other values");
    expect(difference(y(1, 2), y(1, 2.01))).toBe("output 'y' has other values");
  });

  it('wants integers equal', () => {
    const whole = (value: bigint): Outputs => ({ y: { type: 'int64', dims: [1], data: BigInt64Array.of(value) } });
    expect(difference(whole(5n), whole(5n))).toBeUndefined();
    expect(difference(whole(5n), whole(6n))).toBeDefined();
  });

  it('reads half precision', () => {
    const half = (...bits: number[]): Outputs => ({
      y: { type: 'float16', dims: [bits.length], data: Uint16Array.from(bits) },
    });
    expect(difference(half(0x3c00, 0x7e00), half(0x3c00, 0x7e01))).toBeUndefined();
    expect(difference(half(0x3c00), half(0xbc00))).toBeDefined();
  });
});

describe('joint runs', () => {
  /** Doubles every value; `mix` adds the mean of all of them, as a model that reduces over its batch would. */
  const model =
    (mix: boolean, calls: number[]) =>
    async ({ feeds }: RunInput): Promise<Outputs> => {
      const fed = feeds['x'];
      if (fed === undefined || !('tensor' in fed)) throw new Error('no tensor');
      const data = fed.tensor.data as Float32Array;
      calls.push(fed.tensor.dims[0] ?? 0);
      if (data.includes(-1)) throw new Error('minus one');
      const mean = mix ? data.reduce((sum, value) => sum + value, 0) / data.length : 0;
      return { y: { ...fed.tensor, data: data.map((value) => 2 * value + mean) } };
    };
  const inputs = (...from: number[]): RunInput[] => from.map((first) => input(tensor([1, 2], first)));

  it('are verified once by single runs, then trusted', async () => {
    const calls: number[] = [];
    const joint = new JointRuns(simple, (reason) => expect(reason).toBeUndefined());
    for (let round = 0; round < 2; round += 1) {
      const outcomes = await joint.run('k', inputs(1, 5, 9), [1, 1, 1], model(false, calls));
      expect(
        outcomes.map((outcome) => outcome.status === 'fulfilled' && [...(outcome.value['y']?.data ?? [])]),
      ).toEqual([
        [2, 4],
        [10, 12],
        [18, 20],
      ]);
    }
    expect(calls).toEqual([3, 1, 1, 1, 3]);
  });

  it('are not trusted after equal requests, which tell nothing', async () => {
    expect(tellApart(inputs(1, 1))).toBe(false);
    const calls: number[] = [];
    const joint = new JointRuns(simple, () => undefined);
    await joint.run('k', inputs(1, 1), [1, 1], model(false, calls));
    await joint.run('k', inputs(1, 2), [1, 1], model(false, calls));
    expect(calls).toEqual([2, 1, 1, 2, 1, 1]);
  });

  it('of equal requests are checked a few times, and the first of unlike ones after that', async () => {
    const calls: number[] = [];
    const reasons: string[] = [];
    const joint = new JointRuns(simple, (reason) => reasons.push(reason));
    // Equal rows have their mean for each of them: nothing is mixed up among them.
    for (let round = 0; round < 10; round += 1) await joint.run('k', inputs(3, 3), [1, 1], model(true, calls));
    expect(calls).toHaveLength(3 * 3 + 7);
    expect(reasons).toEqual([]);
    const outcomes = await joint.run('k', inputs(3, 5), [1, 1], model(true, []));
    expect(reasons).toHaveLength(1);
    const [{ value }, { value: other }] = outcomes as PromiseFulfilledResult<Outputs>[] as [
      PromiseFulfilledResult<Outputs>,
      PromiseFulfilledResult<Outputs>,
    ];
    expect([[...(value['y']?.data ?? [])], [...(other['y']?.data ?? [])]]).toEqual([
      [9.5, 11.5],
      [15.5, 17.5],
    ]);
  });

  it('are checked in every worker until the first check has ended', async () => {
    const calls: number[] = [];
    const joint = new JointRuns(simple, () => undefined);
    await Promise.all([1, 3].map((from) => joint.run('k', inputs(from, from + 1), [1, 1], model(false, calls))));
    expect(calls.filter((rows) => rows === 1)).toHaveLength(4);
  });

  it('end for a model that mixes its requests, which get what they would alone', async () => {
    const reasons: string[] = [];
    const joint = new JointRuns(simple, (reason) => reasons.push(reason));
    const calls: number[] = [];
    const outcomes = await joint.run('k', inputs(1, 5), [1, 1], model(true, calls));
    expect(outcomes).toEqual(await Promise.all([1, 5].map(async (from) => alone(from))));
    expect(reasons).toEqual(["run alone, output 'y' has other values"]);
    expect(joint.joinable(inputs(1)[0] as RunInput)).toBeUndefined();

    async function alone(from: number): Promise<PromiseSettledResult<Outputs>> {
      return { status: 'fulfilled', value: await model(true, [])(inputs(from)[0] as RunInput) };
    }
  });

  it('expected failure: leave an error to the request that caused it', async () => {
    const reasons: string[] = [];
    const joint = new JointRuns(simple, (reason) => reasons.push(reason));
    const outcomes = await joint.run('k', inputs(1, -1, 7), [1, 1, 1], model(false, []));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(reasons).toEqual([]);
  });
});
