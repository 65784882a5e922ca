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
    booked.push(book.take(invoker, KEY, { dueMs, crowded }, 0));
  }
  return booked;
}

/** One that was handed on while somebody of its queue was late, with so many in flight, and answered after that time. */
function answerTook(tookMs: number, inFlight: number, { book, invoker }: ReturnType<typeof served>): void {
  const take = (crowded: boolean): Booking => book.take(invoker, KEY, { dueMs: SLO_MS, crowded }, 0);
  const others = Array.from({ length: inFlight - 1 }, () => take(false));
  take(true).release(tookMs);
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
    answerTook(250, 10, world);
    expect(fill(world, SLO_MS, true)).toHaveLength(10);
    expect(fill(served(), SLO_MS, true)).toHaveLength(21);
  });

  it('is fewer when an answer was late, whatever the status says', () => {
    const world = served();
    answerTook(200, 10, world);
    for (let late = 0; late < 10; late += 1) answerTook(400, 10, world);
    expect(fill(world, SLO_MS, true)).toHaveLength(6);
  });

  it('is half of what is executed at once where not even one alone is in time: an objective that cannot be met', () => {
    const world = served();
    answerTook(4_000, 1, world);
    expect(fill(world, SLO_MS, true)).toHaveLength(4);
    expect(fill(served(), -1, true)).toHaveLength(1);
  });

  it('is, of those that are overdue, one where nobody is at work', () => {
    const world = served();
    const [late] = fill(world, -1, false);
    expect(fill(world, -1, false)).toHaveLength(0);
    expect(fill(world, -1, true)).toHaveLength(0);
    late?.release(100);
    expect(fill(world, -1, true)).toHaveLength(1);
  });

  it('learns nothing from what was given up', () => {
    const world = served();
    world.book.take(world.invoker, KEY, { dueMs: SLO_MS, crowded: true }, 0).release();
    expect(world.invoker.instances.get(KEY)?.limit.of(SLO_MS)).toBeUndefined();
  });
});
