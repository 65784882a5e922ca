import { activationTimes, type Work } from '../../../action-runtime/src/proxy/context';

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
