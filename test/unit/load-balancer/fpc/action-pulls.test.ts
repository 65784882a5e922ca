import { createLogger } from '@tetris/common';
import { ActionPulls, type PullRules } from '../../../../load-balancer/src/fpc/action-pulls';
import type { Pull, Pulled, SchedulerAddress, Schedulers } from '../../../../load-balancer/src/fpc/schedulers';
import { until } from '../../../support/until';

const ACTION = { namespace: 'guest', name: { path: 'guest', name: 'a', version: '0.0.1' }, revision: '1-a' };
const AT: SchedulerAddress = { host: 'one', port: 1 };
const RULES: PullRules = { pullsMax: 8, pulledMax: 100, idleMs: 1_000, lostMs: 10_000 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Pulls that wait for the test to answer them. */
class Scripted implements Schedulers {
  readonly asked: { at: SchedulerAddress; pull: Pull; answer: (pulled: Pulled) => void; fail: () => void }[] = [];
  pull(at: SchedulerAddress, pull: Pull): Promise<Pulled> {
    return new Promise((answer, reject) => {
      this.asked.push({ at, pull, answer, fail: () => reject(new Error('away')) });
    });
  }
  close(): void {
    this.asked.length = 0;
  }
  /** The open pulls, which are the test's from now on. */
  take(): Scripted['asked'] {
    return this.asked.splice(0);
  }
}

function setUp(rules: Partial<PullRules> = {}) {
  const schedulers = new Scripted();
  const state = {
    schedulers,
    nowMs: 0,
    taken: [] as string[],
    handedOn: [] as (() => void)[],
    leaders: [] as (SchedulerAddress | undefined)[],
    hasRoom: true,
    stopped: [] as string[],
  };
  const make = (): ActionPulls =>
    new ActionPulls(
      ACTION,
      'z1-1',
      AT,
      {
        schedulers,
        leader: async () => state.leaders.shift(),
        accept: (value) => {
          state.taken.push(value.toString());
          return new Promise((resolve) => state.handedOn.push(resolve));
        },
        hasRoom: () => state.hasRoom,
        stopped: (reason) => state.stopped.push(reason),
        now: () => state.nowMs,
        log: createLogger('pulls', 'silent'),
      },
      { ...RULES, ...rules },
    );
  const pulls = make();
  pulls.begin(AT, true);
  return { ...state, state, pulls, make };
}

/** With one pull open, as after a while without an activation. */
async function settled(rules: Partial<PullRules> = {}): Promise<ReturnType<typeof setUp>> {
  const parts = setUp(rules);
  const [last, ...others] = parts.schedulers.take();
  for (const { answer } of others) answer({ kind: 'none' });
  await turn();
  if (last !== undefined) parts.schedulers.asked.push(last);
  return parts;
}

const hit = (text: string): Pulled => ({ kind: 'activation', value: Buffer.from(text) });

describe('pulls of an action', () => {
  it('are as many as may be at first, halved by each empty answer, and doubled by each hit', async () => {
    const { schedulers, taken } = setUp();
    const first = schedulers.take();
    expect(first).toHaveLength(RULES.pullsMax);
    for (const { answer } of first) answer({ kind: 'none' });
    await turn();
    const counts: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      const open = schedulers.take();
      counts.push(open.length);
      for (const { answer } of open) answer(hit('x'));
      await turn();
    }
    expect(counts).toEqual([1, 2, 8, 8]);
    expect(taken).toHaveLength(19);
  });

  it('tell the scheduler that they take no time, once something has run', async () => {
    const { schedulers } = await settled();
    const [first] = schedulers.take();
    expect(first?.pull).toMatchObject({ container: 'z1-1', warmed: false, alive: true });
    expect(first?.pull.lastDurationMs).toBeUndefined();
    first?.answer(hit('x'));
    await turn();
    expect(schedulers.take()[0]?.pull).toMatchObject({ warmed: true, lastDurationMs: 1 });
  });

  it('pause while too many are not handed on, and go on when one is', async () => {
    const { schedulers, state, pulls } = await settled({ pulledMax: 2 });
    schedulers.take()[0]?.answer(hit('1'));
    await turn();
    schedulers.take()[0]?.answer(hit('2'));
    await turn();
    expect(schedulers.take()).toHaveLength(0);
    state.handedOn[0]?.();
    await turn();
    expect(schedulers.take()).toHaveLength(1);
    await turn();
    expect(pulls.isStopped).toBe(false);
  });

  it('leave one pull to an action that has nothing, where there is no room', async () => {
    const { schedulers, state } = await settled();
    state.hasRoom = false;
    schedulers.take()[0]?.answer(hit('1'));
    await turn();
    expect(schedulers.take()).toHaveLength(0);
    state.handedOn[0]?.();
    await turn();
    expect(schedulers.take()).toHaveLength(1);
  });

  it('go where the leader is when the queue is not there any more', async () => {
    const { schedulers, state, pulls } = await settled();
    const other = { host: 'two', port: 2 };
    state.leaders.push(undefined, other);
    schedulers.take()[0]?.answer({ kind: 'no-queue' });
    await until(() => schedulers.asked.length > 0, 'it goes on');
    expect(schedulers.take()[0]?.at).toEqual(other);
    expect([pulls.isOrderedBy(AT), pulls.isOrderedBy(other)]).toEqual([false, true]);
  });

  it('go on at another scheduler while others still wait at the former one, and end when all have', async () => {
    const { schedulers, state, pulls, stopped } = await settled();
    schedulers.take()[0]?.answer(hit('1'));
    await turn();
    const [first, ...waiting] = schedulers.take();
    expect(waiting).toHaveLength(1);
    const other = { host: 'two', port: 2 };
    state.leaders.push(other);
    first?.answer({ kind: 'no-queue' });
    await until(() => schedulers.asked.length > 0, 'it goes on');
    const there = schedulers.take();
    expect(new Set(there.map(({ at }) => at))).toEqual(new Set([other]));
    void pulls.stop();
    for (const { answer } of there) answer({ kind: 'none' });
    await turn();
    expect(stopped).toEqual([]);
    waiting[0]?.answer({ kind: 'none' });
    await turn();
    expect(stopped).toEqual(['asked to']);
  });

  it('end where there is no queue, and where it is for another revision', async () => {
    const gone = await settled();
    gone.schedulers.take()[0]?.answer({ kind: 'no-queue' });
    await until(() => gone.schedulers.asked.length > 0, 'it goes on');
    expect(gone.schedulers.take()[0]?.pull.alive).toBe(false);
    expect(gone.stopped).toEqual(['no queue']);
    const other = await settled();
    other.schedulers.take()[0]?.answer({ kind: 'mismatch' });
    await turn();
    expect(other.stopped).toEqual(['another revision']);
  });

  it('end when nobody answers for too long, and not before', async () => {
    const { schedulers, state, stopped } = await settled();
    state.leaders.push(AT, AT);
    schedulers.take()[0]?.fail();
    await until(() => schedulers.asked.length > 0, 'it goes on');
    state.nowMs = 10_001;
    for (const { fail } of schedulers.take()) fail();
    await until(() => stopped.length > 0, 'it goes on');
    expect(stopped).toEqual(['nobody answers']);
  });

  it('end when idle, not while an activation waits here', async () => {
    const { schedulers, state, stopped } = await settled();
    schedulers.take()[0]?.answer(hit('1'));
    await turn();
    state.nowMs = 2_000;
    for (const { answer } of schedulers.take()) answer({ kind: 'none' });
    await turn();
    expect(stopped).toEqual([]);
    state.handedOn[0]?.();
    await turn();
    for (const { answer } of schedulers.take()) answer({ kind: 'none' });
    await turn();
    expect(stopped).toEqual(['idle']);
  });

  it('are never taken back: what the last ones bring is accepted', async () => {
    const { schedulers, pulls, taken, stopped } = await settled();
    const [open] = schedulers.take();
    const stopping = pulls.stop();
    expect(schedulers.take()[0]?.pull.alive).toBe(false);
    expect(stopped).toEqual([]);
    open?.answer(hit('last'));
    await turn();
    expect([taken, stopped]).toEqual([['last'], ['asked to']]);
    expect(schedulers.asked).toHaveLength(0);
    void stopping;
  });

  it('that were begun before an order are ordered by the first one, and go on as they are', async () => {
    const { schedulers, make } = await settled();
    schedulers.take();
    const pulls = make();
    pulls.begin(AT, false);
    expect([pulls.isOrderedBy(AT), schedulers.take().length]).toEqual([false, RULES.pullsMax]);
    pulls.begin(AT, true);
    expect([pulls.isOrderedBy(AT), schedulers.take().length]).toEqual([true, 0]);
  });

  it('begin anew where a scheduler orders them, whatever a former one still says', async () => {
    const { schedulers, pulls, stopped } = await settled();
    const [old] = schedulers.take();
    const other = { host: 'two', port: 2 };
    pulls.begin(other, true);
    old?.answer({ kind: 'no-queue' });
    await turn();
    expect([pulls.isOrderedBy(other), stopped]).toEqual([true, []]);
  });
});
