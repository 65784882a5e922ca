import type { InvokerStatus, PingMessage } from '@tetris/common';
import { availableBytes, Fleet, type Invoker } from '@tetris/load-balancer';

const RULES = { silenceMs: 10_000, stockGraceMs: 3_000, suspectMs: 60_000, forgetMs: 3_600_000, invokersMax: 100 };

function ping(instance: number, isEnabled?: boolean): PingMessage {
  const name = { instance, userMemory: '2048 MB', instanceType: 'invoker' as const, tags: [], dedicatedNamespaces: [] };
  return { name, ...(isEnabled === undefined ? {} : { isEnabled }) };
}

function status(instance: number, overrides: Partial<InvokerStatus> = {}): InvokerStatus {
  return {
    instance,
    node: `node${instance}`,
    atMs: 0,
    memoryBytes: 1_000,
    memoryUsedBytes: 400,
    running: 0,
    waiting: 0,
    warm: [],
    draining: false,
    ...overrides,
  };
}

const usableIds = (fleet: Fleet, flavour: 'tetris' | 'stock' | 'any', nowMs: number): number[] =>
  fleet.usable(flavour, nowMs).map(({ instance }) => instance);

describe('Fleet', () => {
  let fleet: Fleet;
  beforeEach(() => {
    fleet = new Fleet(RULES);
  });

  it('takes an invoker for a stock one when it has pinged for a while without a status', () => {
    fleet.ping(ping(0), 0);
    fleet.ping(ping(1), 0);
    fleet.status(status(1), 500);
    expect(usableIds(fleet, 'any', 1_000)).toEqual([1]);
    fleet.ping(ping(0), 3_000);
    fleet.ping(ping(1), 3_000);
    expect(usableIds(fleet, 'stock', 3_000)).toEqual([0]);
    expect(usableIds(fleet, 'tetris', 3_000)).toEqual([1]);
    expect(fleet.get(0)?.memoryBytes).toBe(2048 * 1024 ** 2);
    expect(fleet.get(1)).toMatchObject({ memoryBytes: 1_000, freeBytes: 600, node: 'node1' });
  });

  it('counts reclaimable memory as free', () => {
    fleet.status(status(0, { memoryReclaimableBytes: 300 }), 0);
    expect(fleet.get(0)).toMatchObject({ freeBytes: 600, reclaimableBytes: 300 });
    expect(availableBytes(fleet.get(0) as Invoker)).toBe(900);
  });

  it('becomes a tetris invoker with its first status, however late', () => {
    fleet.ping(ping(0), 0);
    fleet.ping(ping(0), 5_000);
    expect(usableIds(fleet, 'stock', 5_000)).toEqual([0]);
    fleet.status(status(0), 6_000);
    expect([usableIds(fleet, 'stock', 6_000), usableIds(fleet, 'tetris', 6_000)]).toEqual([[], [0]]);
  });

  it.each<[string, () => void]>([
    ['a ping says so', () => fleet.ping(ping(0, false), 1_000)],
    ['its status drains', () => fleet.status(status(0, { draining: true }), 1_000)],
    ['it has been silent', () => fleet.tick(10_001)],
  ])('does not use an invoker when %s', (_, happen) => {
    fleet.ping(ping(0), 0);
    fleet.status(status(0), 0);
    expect(usableIds(fleet, 'any', 0)).toEqual([0]);
    happen();
    expect(usableIds(fleet, 'any', 10_001)).toEqual([]);
    fleet.status(status(0), 11_000);
    fleet.ping(ping(0), 11_000);
    expect(usableIds(fleet, 'any', 11_000)).toEqual([0]);
  });

  it('gives an invoker up only when pings and statuses are both missing, and says so once', () => {
    fleet.ping(ping(0), 0);
    fleet.status(status(0), 9_000);
    expect(fleet.tick(12_000)).toEqual([]);
    expect(usableIds(fleet, 'any', 12_000)).toEqual([]);
    expect(fleet.tick(19_001).map(({ instance }) => instance)).toEqual([0]);
    expect(fleet.tick(20_001)).toEqual([]);
  });

  it('does not count time in which nothing could be heard', () => {
    fleet.ping(ping(0), 0);
    fleet.excuse(9_000);
    expect(fleet.tick(15_000)).toEqual([]);
    expect(fleet.tick(19_001)).toHaveLength(1);
  });

  it('avoids an invoker after more than three system errors in ten, unless there is no other', () => {
    for (const instance of [0, 1]) {
      fleet.status(status(instance), 0);
      fleet.ping(ping(instance), 0);
    }
    for (const error of [true, true, false, true]) fleet.outcome(0, error, 0);
    expect(usableIds(fleet, 'tetris', 0)).toEqual([0, 1]);
    fleet.outcome(0, true, 0);
    expect(usableIds(fleet, 'tetris', 0)).toEqual([1]);
    fleet.ping(ping(1, false), 0);
    expect(usableIds(fleet, 'tetris', 0)).toEqual([0]);
    fleet.ping(ping(1), 60_001);
    fleet.ping(ping(0), 60_001);
    expect(usableIds(fleet, 'tetris', 60_001)).toEqual([0, 1]);
  });

  it.each([
    ['is idle', {}, Number.POSITIVE_INFINITY],
    ['says so', { running: 2, oldestStartMs: null }, Number.POSITIVE_INFINITY],
    ['names it', { running: 2, oldestStartMs: 700 }, 700],
    ['is busy and does not say', { waiting: 1 }, undefined],
  ])('knows since when the oldest activation of an invoker runs that %s', (_, overrides, expected) => {
    fleet.status(status(0, { oldestStartMs: 5 }), 500);
    fleet.status(status(0, overrides), 1_000);
    expect(fleet.get(0)?.oldestStartMs).toBe(expected);
  });

  it('keeps offline stock invokers in their places until it forgets them', () => {
    for (const instance of [0, 1]) {
      fleet.ping(ping(instance), 0);
      fleet.ping(ping(instance), 3_000);
    }
    fleet.tick(20_000);
    expect(fleet.stock().map(({ instance }) => instance)).toEqual([0, 1]);
    fleet.ping(ping(1), 3_600_000);
    expect(fleet.forget(3_603_001)).toEqual([]);
    expect(fleet.stock().map(({ instance }) => instance)).toEqual([1]);
  });

  it('names a node as forgotten with its last invoker only', () => {
    fleet.status(status(0, { node: 'shared' }), 0);
    fleet.status(status(1, { node: 'shared' }), 10_000);
    expect(fleet.forget(3_600_001)).toEqual([]);
    expect(fleet.forget(3_610_001)).toEqual(['shared']);
  });

  it('bad call: ignores ids beyond its bound', () => {
    expect(fleet.ping(ping(100), 0)).toBeUndefined();
    expect(fleet.all()).toEqual([]);
  });
});
