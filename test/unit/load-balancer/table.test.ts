import { type AckType, newActivationId } from '@tetris/common';
import { controllerDeadlineMs } from '../../../load-balancer/src/in-flight/deadline';
import { InFlightTable, type Tracked } from '../../../load-balancer/src/in-flight/table';
import { randomFrom, testSeed } from '../../support/random';

function tracked(overrides: Partial<Tracked['entry']> = {}, sentMs = 0): Tracked {
  return {
    entry: {
      activationId: newActivationId(),
      virtualInvoker: 0,
      invoker: 1,
      controller: '0',
      transid: ['t', 1],
      blocking: true,
      deadlineMs: 1_000,
      namespace: 'guest',
      action: 'guest/hello',
      ...overrides,
    },
    release: () => undefined,
    sentMs,
    resultPassed: false,
    slotFreed: false,
  };
}

describe('InFlightTable', () => {
  type Row = [string, boolean, AckType[], string[]];
  it.each<Row>([
    ['a combined ack ends it', true, ['combined', 'combined'], ['frees', 'unknown']],
    ['result, then completion', true, ['result', 'result', 'completion'], ['pass', 'duplicate', 'frees']],
    [
      'completion first: the result may still come',
      true,
      ['completion', 'completion', 'result'],
      ['frees', 'duplicate', 'pass'],
    ],
    ['a completion ends a non-blocking one', false, ['completion', 'result'], ['frees', 'unknown']],
    [
      'combined after a result still frees the slot',
      true,
      ['result', 'combined', 'completion'],
      ['pass', 'frees', 'unknown'],
    ],
  ])('%s', (_, blocking, acks, expected) => {
    const table = new InFlightTable();
    const one = tracked({ blocking });
    table.add(one);
    const seen = acks.map((type) => {
      const judged = table.acked(one.entry.activationId, type);
      return judged.verdict === 'pass' && judged.frees ? 'frees' : judged.verdict;
    });
    expect(seen).toEqual(expected);
  });

  it('takes the result of a recovered one for passed when its completion comes', () => {
    const table = new InFlightTable();
    const [whole, half] = [tracked(), tracked()].map((one) => ({ ...one, recovered: true }));
    for (const one of [whole, half]) if (one !== undefined) table.add(one);
    expect(table.acked(whole?.entry.activationId ?? '', 'completion')).toMatchObject({ verdict: 'pass', frees: true });
    expect(table.acked(half?.entry.activationId ?? '', 'result')).toMatchObject({ verdict: 'pass', frees: false });
    expect(table.acked(half?.entry.activationId ?? '', 'completion')).toMatchObject({ verdict: 'pass', frees: true });
    expect(table.size).toBe(0);
  });

  it('expires by deadline and finds by invoker and time', () => {
    const table = new InFlightTable();
    const early = tracked({ deadlineMs: 10, invoker: 4 }, 1);
    const late = tracked({ deadlineMs: 20, invoker: 4 }, 2);
    table.add(early);
    table.add(late);
    expect(table.ofInvoker(4, 1)).toEqual([early]);
    expect(table.ofInvoker(4)).toEqual([early, late]);
    expect(table.expire(9)).toEqual([]);
    expect(table.expire(10)).toEqual([early]);
    expect(table.invokers()).toEqual([4]);
    table.remove(late.entry.activationId);
    expect([table.size, table.invokers()]).toEqual([0, []]);
  });

  it('passes each effect at most once per activation, in random order with repetitions', () => {
    const seed = testSeed();
    const below = randomFrom(seed);
    const types: AckType[] = ['result', 'completion', 'combined'];
    for (let round = 0; round < 1_000; round += 1) {
      const table = new InFlightTable();
      const one = tracked({ blocking: below(2) === 0 });
      table.add(one);
      let frees = 0;
      let passes = 0;
      for (let step = 0; step < 8; step += 1) {
        const judged = table.acked(one.entry.activationId, types[below(3)] as AckType);
        if (judged.verdict !== 'pass') continue;
        passes += 1;
        if (judged.frees) frees += 1;
      }
      if (frees > 1 || passes > 2) throw new Error(`seed ${seed}, round ${round}: ${frees} frees, ${passes} passes`);
    }
  });
});

describe('controllerDeadlineMs', () => {
  const stock = { timeLimitStdMs: 60_000, timeoutFactor: 2, timeoutAddonMs: 60_000 };
  it.each([
    [1_000, 180_000],
    [60_000, 180_000],
    [300_000, 660_000],
  ])('gives an action of %d ms %d ms', (timeoutMs, afterMs) => {
    expect(controllerDeadlineMs(stock, timeoutMs, 5)).toBe(5 + afterMs);
  });
});
