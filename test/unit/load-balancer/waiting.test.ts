import { WaitingRoom, type WaitRequest } from '../../../load-balancer/src/dispatch/waiting';

describe('WaitingRoom', () => {
  let rooms: WaitingRoom;
  /** Activations that can be placed just now. */
  let free: number;
  let left: string[];
  beforeEach(() => {
    rooms = new WaitingRoom(100);
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
    const times = { dueMs: 1e9, lostMs: Infinity, untilMs: 1e9 };
    const request = { room: 'nodejs:tetris', priority: 0, ...times, attempt, ...overrides };
    void rooms.wait(request, nowMs).then((outcome) => left.push(`${name} ${outcome}`));
  }
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  /** So many find an invoker. */
  async function place(count: number, nowMs: number): Promise<void> {
    free = count;
    rooms.retry(nowMs);
    await settled();
  }

  it('lets the higher priority go first, and equals in order', async () => {
    enter('a', 0);
    enter('low', 0, { priority: -1 });
    enter('high', 1, { priority: 5 });
    enter('b', 2);
    await settled();
    await place(4, 3);
    expect(left).toEqual(['high placed', 'a placed', 'b placed', 'low placed']);
    expect(rooms.size).toBe(0);
  });

  it('lets what is due first go first among equals, and priority before that', async () => {
    enter('no objective', 0);
    enter('relaxed', 1, { dueMs: 900 });
    enter('urgent', 2, { dueMs: 300 });
    enter('low', 3, { dueMs: 100, priority: -1 });
    await settled();
    await place(4, 4);
    expect(left).toEqual(['urgent placed', 'relaxed placed', 'no objective placed', 'low placed']);
  });

  it('lets the newest go first once an objective is lost, which counts as none from then on', async () => {
    enter('lost', 0, { dueMs: 300, lostMs: 150, untilMs: 1_000 });
    enter('old', 100, { dueMs: 400, lostMs: 250, untilMs: 1_100 });
    enter('no objective', 110, { dueMs: 1_110, untilMs: 1_110 });
    enter('new', 120, { dueMs: 420, lostMs: 270, untilMs: 1_120 });
    await settled();
    await place(4, 200);
    expect(left).toEqual(['new placed', 'old placed', 'lost placed', 'no objective placed']);
  });

  it('lets nobody of a longer objective pass for the newest', async () => {
    enter('lost', 0, { dueMs: 300, lostMs: 150, untilMs: 20_000 });
    enter('relaxed', 100, { dueMs: 10_100, lostMs: 5_100, untilMs: 20_100 });
    enter('old', 110, { dueMs: 410, lostMs: 260, untilMs: 20_110 });
    enter('new', 120, { dueMs: 420, lostMs: 270, untilMs: 20_120 });
    await settled();
    await place(4, 200);
    expect(left).toEqual(['new placed', 'old placed', 'relaxed placed', 'lost placed']);
  });

  it('lets no stream of newer ones hold back whose wait is about to end', async () => {
    enter('lost', 0, { dueMs: 300, lostMs: 150, untilMs: 1_000 });
    enter('new', 900, { dueMs: 1_200, lostMs: 1_050, untilMs: 1_900 });
    enter('higher', 905, { dueMs: 1_205, lostMs: 1_055, untilMs: 1_905, priority: 1 });
    await settled();
    await place(3, 910);
    expect(left).toEqual(['higher placed', 'lost placed', 'new placed']);
  });

  it('turns nobody away who is past its objective only', async () => {
    enter('late', 1_000, { dueMs: 500 });
    rooms.expire(2_000);
    free = 1;
    rooms.retry(2_000);
    await settled();
    expect(left).toEqual(['late placed']);
  });

  it('asks the head only, for it speaks for its room, and every room', async () => {
    enter('first', 0, { attempt: () => false });
    enter('second', 0);
    enter('elsewhere', 0, { room: 'nodejs:20' });
    free = 2;
    rooms.retry(1);
    await settled();
    expect(left).toEqual(['elsewhere placed']);
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
    enter('urgent', 2_000, { untilMs: 2_500, priority: 9 });
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

  it('is bounded: the last of the lowest priority gives way to a higher one, an equal is refused', async () => {
    rooms = new WaitingRoom(2);
    enter('a', 0, { priority: 1 });
    enter('b', 0, { room: 'nodejs:20' });
    enter('equal', 1);
    await settled();
    expect(left).toEqual(['equal full']);
    enter('higher', 2, { priority: 1 });
    await settled();
    expect(left).toEqual(['equal full', 'b full']);
    expect(rooms.size).toBe(2);
  });

  it('ends every wait exactly once, whatever happens in which order', async () => {
    const seed = Date.now() >>> 0;
    let state = seed;
    const below = (bound: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return (state >>> 8) % bound;
    };
    rooms = new WaitingRoom(20);
    let entered = 0;
    for (let nowMs = 0; nowMs < 20_000; nowMs += 10) {
      if (below(2) === 0) {
        const room = `room${below(3)}`;
        enter(`n${entered++}`, nowMs, { room, priority: below(3), untilMs: nowMs + below(2_000) });
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
