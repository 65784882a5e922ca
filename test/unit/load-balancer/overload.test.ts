/** What the load balancer hands on to instances that cannot serve all that comes. */
import type { WarmInstance } from '@tetris/common';
import { type Invoker, newInvoker } from '../../../load-balancer/src/fleet/invoker';
import { type Booking, InstanceBook, instanceKey } from '../../../load-balancer/src/placement/instances';

const ACTION = 'guest/classify@1-a';
const KEY = instanceKey(ACTION, 'guest');
const SLO_MS = 300;

/** An invoker with one instance that takes 16, and says that it answers 100 a second. */
function served(warm: Partial<WarmInstance> = {}): { book: InstanceBook; invoker: Invoker } {
  const book = new InstanceBook(20_000);
  const invoker = newInvoker(0, 0);
  const instance = {
    action: ACTION,
    namespace: 'guest',
    capacity: 16,
    inUse: 0,
    tailMs: 100,
    perSecond: 100,
    wayMs: 0,
  };
  book.observe(invoker, [{ ...instance, ...warm }], 0);
  return { book, invoker };
}

/** Hands on all that it takes at time 0. @returns what was handed on */
function fill({ book, invoker }: ReturnType<typeof served>, dueMs: number, crowded: boolean): Booking[] {
  const booked: Booking[] = [];
  while (booked.length < 100 && book.takes(invoker, KEY, { dueMs, crowded }, 0)) {
    booked.push(book.take(invoker, KEY, crowded, 0));
  }
  return booked;
}

/** So many of them, one after the other with so many in flight, each answered after that time. */
function answersTook(tookMs: number, inFlight: number, world: ReturnType<typeof served>, count = 64): void {
  const others = Array.from({ length: inFlight - 1 }, () => world.book.take(world.invoker, KEY, false, 0));
  for (let at = 0; at < count; at += 1) world.book.take(world.invoker, KEY, true, at).release(at + tookMs);
  for (const { release } of others) release();
}

describe('what is handed on to an instance', () => {
  it('is what its status says will be in time, while nobody is late', () => {
    // 200 ms of the objective are left for those before it, 10 ms for each.
    expect(fill(served(), SLO_MS, false)).toHaveLength(21);
  });

  it('is not held up by what is on its way there or back', () => {
    expect(fill(served({ wayMs: 50 }), SLO_MS, false).length).toBeGreaterThan(21);
  });

  it('is, while somebody is late, what is in time by what answers took since', () => {
    const world = served();
    answersTook(250, 10, world);
    // 25 ms for each that is in flight, itself included.
    expect(fill(world, SLO_MS, true)).toHaveLength(12);
  });

  it('goes by the slowest of the last answers: what is handed on too early is late', () => {
    const world = served();
    answersTook(300, 10, world, 1);
    answersTook(100, 10, world, 31);
    expect(fill(world, SLO_MS, true)).toHaveLength(10);
  });

  it('is more when answers are there sooner, and fewer when they are later, whatever the status says', () => {
    const world = served();
    answersTook(600, 10, world);
    const slow = fill(world, SLO_MS, true);
    expect(slow).toHaveLength(5);
    for (const { release } of slow) release(150);
    answersTook(100, 10, world);
    expect(fill(world, SLO_MS, true)).toHaveLength(30);
  });

  it('is one at least: it tells how the instance serves now', () => {
    const world = served();
    answersTook(4_000, 1, world);
    expect(fill(world, SLO_MS, true)).toHaveLength(1);
  });

  it('is, of those that are overdue, what keeps it at work: half of what it executes at once', () => {
    const world = served();
    expect(fill(world, -1, false)).toHaveLength(4);
    answersTook(250, 10, world);
    expect(fill(world, -1, true)).toHaveLength(0);
  });

  it('learns nothing from what was given up', () => {
    const world = served();
    for (let at = 0; at < 64; at += 1) world.book.take(world.invoker, KEY, true, at).release();
    expect(world.invoker.instances.get(KEY)?.turn.of(1)).toBeUndefined();
  });
});
