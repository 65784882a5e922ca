import { setTimeout as delay } from 'node:timers/promises';
import { ActivationContext, activationTimes, type Work } from '../../../action-runtime/src/proxy/context';

describe('activationTimes', () => {
  const work = (): Work => ({
    activationId: 'a',
    env: new Map([['__OW_DEADLINE', '2000']]),
    startedMs: 1000,
    ended: false,
  });

  it('are those of the work, without an end where the invoker does not say one', () => {
    expect(activationTimes(work())).toMatchObject({ startedMs: 1000, dueMs: undefined, deadlineMs: 2000 });
    expect(activationTimes({ ...work(), dueMs: 1500 })).toMatchObject({ dueMs: 1500 });
    expect(activationTimes({ ...work(), env: new Map() })?.deadlineMs).toBe(Infinity);
    expect(activationTimes(undefined)).toBeUndefined();
  });

  it('gather what runs waited, and how many were executed together where that is the same in all', () => {
    const one = work();
    expect(one.inference).toBeUndefined();
    activationTimes(one)?.onRun({ waitedMs: 3, requests: 4, executionMs: 20, batch: 4 });
    activationTimes(one)?.onRun({ waitedMs: 5, requests: 4, executionMs: 10, batch: 4 });
    expect(one.inference).toMatchObject({ waitedMs: 8, requests: 4, executionMs: 30 });
    activationTimes(one)?.onRun({ waitedMs: 1, requests: 8, executionMs: 1, batch: 8 });
    expect(one.inference).toMatchObject({ waitedMs: 9, requests: 0, executionMs: 31 });
    activationTimes(one)?.onRun({ waitedMs: 0, requests: 0, executionMs: 2, batch: 2 });
    expect(one.inference).toMatchObject({ waitedMs: 9, requests: 0, executionMs: 33, batch: 8 });
  });
});

describe('ActivationContext', () => {
  const work = (activationId: string): Work => ({
    activationId,
    env: new Map([['__OW_ACTIVATION_ID', activationId]]),
    startedMs: 1000,
    ended: false,
  });

  it.each([true, false])(
    'tells work that runs by itself, and its variables after it too (concurrent: %s)',
    async (concurrent) => {
      const context = new ActivationContext();
      if (concurrent) context.followCalls();
      expect(context.current()).toBeUndefined();
      expect(context.forEnvironment()).toBeUndefined();
      const first = work('first');
      await context.run(first, async () => {
        expect([context.current(), context.forEnvironment(), context.running]).toEqual([first, first, 1]);
        await delay(1);
        expect(context.current()).toBe(first);
        context.end(first);
        expect([context.current(), context.forEnvironment(), context.running]).toEqual([undefined, first, 0]);
      });
      const second = work('second');
      context.run(second, () => expect([context.current(), context.forEnvironment()]).toEqual([second, second]));
      expect(context.current()).toBe(second);
    },
  );

  it('follows the calls of work that runs beside other', async () => {
    const context = new ActivationContext();
    context.followCalls();
    const works = [work('first'), work('second')];
    await Promise.all(
      works.map((each) =>
        context.run(each, async () => {
          await delay(1);
          expect([context.current(), context.forEnvironment()]).toEqual([each, each]);
        }),
      ),
    );
    expect(context.current()).toBeUndefined();
  });
});
