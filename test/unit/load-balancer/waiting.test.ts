import { WaitingRoom, type WaitRequest } from '../../../load-balancer/src/dispatch/waiting';
import { randomFrom, testSeed } from '../../support/random';

describe('WaitingRoom', () => {
  let rooms: WaitingRoom;
  /** Activations that can be placed just now. */
  let free: number;
  let left: string[];
  beforeEach(() => {
    rooms = new WaitingRoom({ waitingMax: 100, lateWaitingMax: 100, queuesTriedMax: 8 });
    free = 0;
    left = [];
  });

  /** Notes how its wait ends as `name outcome`. */
  function enter(name: string, nowMs: number, overrides: Partial<WaitRequest> = {}): void {
    const attempt = (): boolean => {
      if (free === 0) return false;
      free -= 1;
      return true;
    };
    const answerMs = (atMs: number): number => atMs + 150;
    const times = { dueMs: 1e9, untilMs: 1e9, answerMs, service: () => ({ atOnce: 2, perSecond: 100 }) };
    const share = { queue: 'guest classify', costMs: 10, weight: 1 };
    const request = { room: 'nodejs:tetris', ...share, priority: 0, ...times, attempt, ...overrides };
    void rooms.wait(request, nowMs).then((outcome) => left.push(`${name} ${outcome}`));
  }
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  /** So many find an invoker. */
  async function place(count: number, nowMs: number): Promise<void> {
    free = count;
    rooms.retry(nowMs);
    await settled();
  }

  it('lets queues of a higher priority go first, and those of one queue in order', async () => {
    enter('a', 0);
    enter('low', 0, { queue: 'low', priority: -1 });
    enter('high', 1, { queue: 'high', priority: 5 });
    enter('b', 2);
    await settled();
    await place(4, 3);
    expect(left).toEqual(['high placed', 'a placed', 'b placed', 'low placed']);
    expect(rooms.size).toBe(0);
  });

  it('lets what is due first go first in its queue', async () => {
    enter('no objective', 0);
    enter('relaxed', 1, { dueMs: 900 });
    enter('urgent', 2, { dueMs: 300 });
    await settled();
    await place(3, 4);
    expect(left).toEqual(['urgent placed', 'relaxed placed', 'no objective placed']);
  });

  it('lets queues share by the work that they ask for, however long each is', async () => {
    for (let index = 0; index < 50; index += 1) enter(`noisy${index}`, 0, { queue: 'noisy' });
    for (let index = 0; index < 3; index += 1) enter(`long${index}`, 1, { queue: 'long', costMs: 30 });
    for (let index = 0; index < 3; index += 1) enter(`quiet${index}`, 2, { queue: 'quiet' });
    await settled();
    await place(10, 3);
    const names = left.map((line) => line.split(' ')[0]);
    expect(names.slice(0, 3).sort()).toEqual(['long0', 'noisy0', 'quiet0']);
    expect(names.filter((name) => name?.startsWith('quiet'))).toHaveLength(3);
    // 30 ms of the one are three of the other.
    expect(names.filter((name) => name?.startsWith('long'))).toHaveLength(2);
  });

  it('gives a queue of twice the weight twice as much', async () => {
    for (let index = 0; index < 30; index += 1) enter(`two${index}`, 0, { queue: 'two', weight: 2 });
    for (let index = 0; index < 30; index += 1) enter(`one${index}`, 0, { queue: 'one' });
    await settled();
    await place(30, 1);
    expect(left.filter((line) => line.startsWith('two'))).toHaveLength(20);
  });

  it('lets nobody save up: who comes back after a pause gets its share from then on', async () => {
    for (let index = 0; index < 60; index += 1) enter(`steady${index}`, 0, { queue: 'steady' });
    await settled();
    await place(30, 1);
    for (let index = 0; index < 30; index += 1) enter(`back${index}`, 2, { queue: 'back' });
    await settled();
    left = [];
    await place(20, 3);
    expect(left.filter((line) => line.startsWith('back'))).toHaveLength(10);
  });

  it('gives nothing twice to who comes again and again with an empty queue', async () => {
    for (let index = 0; index < 30; index += 1) enter(`steady${index}`, 0, { queue: 'steady' });
    await settled();
    for (let nowMs = 1; nowMs <= 10; nowMs += 1) {
      enter(`again${nowMs}`, nowMs, { queue: 'again' });
      await settled();
      await place(2, nowMs);
    }
    expect(left.filter((line) => line.startsWith('again'))).toHaveLength(10);
    expect(left.filter((line) => line.startsWith('steady'))).toHaveLength(10);
  });

  it('lets the newest of a queue go first once one is late, and who is late last', async () => {
    enter('late', 0, { dueMs: 300 });
    enter('old', 100, { dueMs: 400 });
    enter('new', 120, { dueMs: 420 });
    await settled();
    await place(3, 200);
    expect(left).toEqual(['new placed', 'old placed', 'late placed']);
  });

  it('tries a newcomer at once where it goes before those that wait already', async () => {
    enter('late', 0, { dueMs: 300, attempt: () => false });
    free = 1;
    enter('new', 200, { dueMs: 500 });
    await settled();
    expect(left).toEqual(['new placed']);
  });

  it('turns nobody away who is past its objective only', async () => {
    enter('late', 1_000, { dueMs: 500 });
    rooms.expire(2_000);
    free = 1;
    rooms.retry(2_000);
    await settled();
    expect(left).toEqual(['late placed']);
  });

  it('asks the head only, for it speaks for its queue, and every queue and room', async () => {
    enter('first', 0, { attempt: () => false });
    enter('second', 0);
    enter('beside', 0, { queue: 'another' });
    enter('elsewhere', 0, { room: 'nodejs:20' });
    free = 3;
    rooms.retry(1);
    await settled();
    expect(left).toEqual(['beside placed', 'elsewhere placed']);
  });

  it('gives a place that anybody may take to whose turn it is, and not to whose it was', async () => {
    for (let index = 0; index < 20; index += 1) enter(`noisy${index}`, 0, { queue: 'noisy' });
    await place(3, 1);
    enter('quiet', 2, { queue: 'quiet', costMs: 1 });
    for (const nowMs of [3, 4, 5]) {
      free = 1;
      rooms.retry(nowMs, 'noisy');
      await settled();
    }
    // It comes with as much as the queue that was served last, and costs less.
    expect(left.slice(3)).toContain('quiet placed');
  });

  it('tries the queue of what has ended, and few of those for whom that changes nothing', async () => {
    const tried: string[] = [];
    const blocked = (name: string) => ({ queue: name, attempt: () => tried.push(name) < 0 });
    for (let index = 0; index < 100; index += 1) enter(`n${index}`, 0, blocked(`queue${index}`));
    rooms.retry(1, 'queue70');
    expect(tried).toContain('queue70');
    expect(tried.length).toBeLessThan(12);
    tried.length = 0;
    rooms.retry(2);
    expect(tried).toHaveLength(100);
    rooms.expire(Number.POSITIVE_INFINITY);
    await settled();
  });

  it('sends away those whose time is up, wherever they stand', async () => {
    enter('patient', 0);
    enter('brief', 0, { untilMs: 50 });
    rooms.expire(49);
    await settled();
    expect(left).toEqual([]);
    rooms.expire(50);
    await settled();
    expect(left).toEqual(['brief expired']);
    expect(rooms.size).toBe(1);
  });

  it('refuses at once who would wait past its deadline at the pace of the others', async () => {
    for (let index = 0; index < 30; index += 1) enter(`n${index}`, 0);
    // One each 100 ms.
    for (let nowMs = 100; nowMs <= 2_000; nowMs += 100) {
      free = 1;
      rooms.retry(nowMs);
    }
    await settled();
    expect(left).toHaveLength(20);
    left = [];
    enter('late', 2_000, { untilMs: 2_500 });
    enter('in time', 2_000, { untilMs: 4_000 });
    enter('urgent', 2_000, { queue: 'urgent', untilMs: 2_500, priority: 9 });
    await settled();
    expect(left).toEqual(['late hopeless']);
    free = 1;
    rooms.retry(2_100);
    await settled();
    expect(left).toEqual(['late hopeless', 'urgent placed']);
  });

  it('does not judge by a pace that it hardly knows', async () => {
    enter('only', 0);
    enter('other', 0);
    free = 1;
    rooms.retry(10_000);
    enter('brief', 10_000, { untilMs: 10_001 });
    await settled();
    expect(left).toEqual(['only placed']);
  });

  it('is bounded: the last of the lowest priority gives way to a higher one, one of the same queue is refused', async () => {
    rooms = new WaitingRoom({ waitingMax: 2, lateWaitingMax: 100, queuesTriedMax: 8 });
    enter('a', 0, { queue: 'a', priority: 1 });
    enter('b', 0, { room: 'nodejs:20', queue: 'b' });
    enter('equal', 1, { room: 'nodejs:20', queue: 'b' });
    await settled();
    expect(left).toEqual(['equal full']);
    enter('higher', 2, { queue: 'a', priority: 1 });
    await settled();
    expect(left).toEqual(['equal full', 'b full']);
    expect(rooms.size).toBe(2);
  });

  it('is bounded: the last of the longest queue gives way to one of a shorter', async () => {
    rooms = new WaitingRoom({ waitingMax: 4, lateWaitingMax: 100, queuesTriedMax: 8 });
    enter('late', 0, { queue: 'slow', dueMs: 100, attempt: () => false });
    enter('early', 0, { queue: 'slow', dueMs: 1e6, attempt: () => false });
    for (let index = 0; index < 3; index += 1) {
      enter(`n${index}`, 0, { queue: 'slow', dueMs: 1e7, attempt: () => false });
    }
    await settled();
    // Who is late would be served last, so it is the one that leaves.
    expect(left).toEqual(['late full']);
    left = [];
    rooms = new WaitingRoom({ waitingMax: 4, lateWaitingMax: 100, queuesTriedMax: 8 });
    for (const name of ['noisy0', 'noisy1', 'noisy2', 'noisy3']) enter(name, 0, { queue: 'noisy' });
    enter('quiet', 1, { queue: 'quiet' });
    enter('noisy4', 2, { queue: 'noisy' });
    await settled();
    expect(left.sort()).toEqual(['noisy3 full', 'noisy4 full']);
  });

  it('is bounded: of a queue so many wait that are late, and those of others never leave for them', async () => {
    rooms = new WaitingRoom({ waitingMax: 100, lateWaitingMax: 2, queuesTriedMax: 8 });
    for (let index = 0; index < 4; index += 1) enter(`late${index}`, 0, { dueMs: 100 + index });
    enter('other', 0, { queue: 'other', dueMs: 100 });
    enter('timely', 0, { dueMs: 1_000 });
    await settled();
    expect(left).toEqual(['late0 full', 'late1 full']);
  });

  it('calls surplus who would only make another one late', async () => {
    const due = (dueMs: number): Partial<WaitRequest> => ({ dueMs });
    expect(rooms.isSurplus('guest classify', 0)).toBe(false);
    for (let index = 0; index < 5; index += 1) enter(`timely${index}`, 0, due(300));
    // Many wait, and all can be in time: a burst, which nobody is turned away for.
    expect(rooms.isSurplus('guest classify', 0)).toBe(false);
    // At 151 ms all of them are late: the next ones have what is served first to themselves.
    expect(rooms.isSurplus('guest classify', 151)).toBe(false);
    enter('new0', 151, due(451));
    expect(rooms.isSurplus('guest classify', 151)).toBe(false);
    enter('new1', 151, due(451));
    expect(rooms.isSurplus('guest classify', 151)).toBe(true);
    expect(rooms.isSurplus('guest other', 151)).toBe(false);
    free = 1;
    rooms.retry(152);
    await settled();
    expect(left).toEqual(['new1 placed']);
    expect(rooms.isSurplus('guest classify', 152)).toBe(false);
  });

  it('calls surplus who comes when as many have come as were served since, though none of them is in time', () => {
    const due = { dueMs: 100 };
    for (let index = 0; index < 5; index += 1) enter(`late${index}`, 0, due);
    // Two are served in 20 ms.
    expect([0, 19, 20].map((nowMs) => rooms.isSurplus('guest classify', nowMs))).toEqual([true, true, false]);
    enter('new0', 20, due);
    expect(rooms.isSurplus('guest classify', 20)).toBe(false);
    enter('new1', 21, due);
    expect([21, 39, 40].map((nowMs) => rooms.isSurplus('guest classify', nowMs))).toEqual([true, true, false]);
  });

  it('calls nobody surplus where it is not known how the instances serve', () => {
    const unknown = { service: () => undefined };
    for (let index = 0; index < 9; index += 1) enter(`n${index}`, 0, { dueMs: 100 + 100 * index, ...unknown });
    expect(rooms.isSurplus('guest classify', 0)).toBe(false);
  });

  it('ends every wait exactly once, whatever happens in which order', async () => {
    const seed = testSeed();
    const below = randomFrom(seed);
    rooms = new WaitingRoom({ waitingMax: 20, lateWaitingMax: 100, queuesTriedMax: 8 });
    let entered = 0;
    for (let nowMs = 0; nowMs < 20_000; nowMs += 10) {
      if (below(2) === 0) {
        const room = `room${below(3)}`;
        const queue = `queue${below(4)}`;
        const priority = below(3);
        enter(`n${entered++}`, nowMs, { room, queue, priority, costMs: 1 + below(50), untilMs: nowMs + below(2_000) });
      }
      free = below(2);
      rooms.retry(nowMs);
      if (below(10) === 0) rooms.expire(nowMs);
      expect(rooms.size).toBeLessThanOrEqual(20);
    }
    rooms.expire(Number.POSITIVE_INFINITY);
    await settled();
    const names = left.map((line) => line.split(' ')[0]);
    expect({ seed, size: rooms.size, ended: names.length, distinct: new Set(names).size }).toEqual({
      seed,
      size: 0,
      ended: entered,
      distinct: entered,
    });
  });
});
