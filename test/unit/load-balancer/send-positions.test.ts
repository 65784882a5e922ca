/**
 * What load balancers that share an invoker send to a room that its status tells of, between one status and the next.
 */
import type { InvokerStatus } from '@tetris/common';
import { Fleet } from '../../../load-balancer/src/fleet/fleet';
import type { Invoker } from '../../../load-balancer/src/fleet/invoker';
import { SendPositions } from '../../../load-balancer/src/fleet/send-positions';
import { InstanceBook, instanceKey } from '../../../load-balancer/src/placement/instances';
import { randomFrom, testSeed } from '../../support/random';

const ROOM = 4;
const KEY = instanceKey('guest/a@1', 'guest');
const seed = testSeed();

/** One load balancer's view of an invoker. */
class Balancer {
  readonly book = new InstanceBook(20_000);
  readonly fleet = new Fleet({
    silenceMs: 1e9,
    stockGraceMs: 1e9,
    suspectMs: 0,
    forgetMs: 1e9,
    invokersMax: 10,
  });
  sent = 0;

  hear(status: InvokerStatus): void {
    this.book.observe(this.fleet.status(status, 0) as Invoker, status.warm, 0);
  }

  /** Sends one where it believes in a place. @param append the broker's answer. @returns whether it did */
  send(append: () => number): boolean {
    const invoker = this.book.roomiest(KEY, () => true);
    if (invoker === undefined) return false;
    this.book.take(invoker, KEY, { dueMs: Number.POSITIVE_INFINITY, crowded: false }, 0).sent(append());
    this.sent += 1;
    return true;
  }
}

/** What the invoker says: so many read, all of them still there. */
function statusOf(read: number): InvokerStatus {
  const warm = [{ action: 'guest/a@1', namespace: 'guest', capacity: ROOM, inUse: read }];
  const memory = { memoryBytes: 1e9, memoryUsedBytes: 0 };
  return {
    instance: 0,
    node: 'n',
    atMs: 0,
    ...memory,
    running: read,
    waiting: 0,
    readUpTo: read,
    warm,
    draining: false,
  };
}

describe('sends to a room', () => {
  it('four stay four, however often a status repeats what was so before', () => {
    const balancer = new Balancer();
    let topic = 0;
    for (let status = 0; status < 5; status += 1) {
      balancer.hear(statusOf(0));
      for (let count = 0; count < 10; count += 1) balancer.send(() => topic++);
    }
    expect(balancer.sent).toBe(ROOM);
  });

  it.each([2, 3, 5])('of %i load balancers: what the status knows of is counted once, whoever sent it', (count) => {
    const random = randomFrom(seed);
    for (let round = 0; round < 200; round += 1) {
      const balancers = Array.from({ length: count }, () => new Balancer());
      let topic = 0;
      let read = 0;
      for (const each of balancers) each.hear(statusOf(0));
      for (let step = 0; step < 100; step += 1) {
        const balancer = balancers[random(count)] as Balancer;
        if (random(4) === 0) read += random(topic - read + 1);
        // Statuses come late, and in turn to each.
        if (random(3) === 0) balancer.hear(statusOf(read));
        else balancer.send(() => topic++);
      }
      // Each fills the room once at the very worst.
      expect(topic).toBeLessThanOrEqual(count * ROOM);
    }
  });

  it.each([2, 3, 5])(
    'of %i load balancers that know of each other: at most one each more than there is room',
    (count) => {
      const random = randomFrom(seed);
      for (let round = 0; round < 200; round += 1) {
        const balancers = Array.from({ length: count }, () => new Balancer());
        let topic = 0;
        for (const each of balancers) each.hear({ ...statusOf(0), warm: [{ ...warmOf(1), capacity: ROOM + 1 }] });
        for (let step = 0; step < 100; step += 1) balancers[random(count)]?.send(() => topic++);
        expect(topic).toBeGreaterThanOrEqual(ROOM);
        expect(topic).toBeLessThanOrEqual(ROOM + count - 1);
      }
    },
  );

  /** The room as it is where others have so many there. */
  const warmOf = (inUse: number): InvokerStatus['warm'][number] => ({
    action: 'guest/a@1',
    namespace: 'guest',
    capacity: ROOM,
    inUse,
  });

  it('counts what of ours the invoker had not read yet beside what it says is in use', () => {
    const balancer = new Balancer();
    balancer.hear(statusOf(0));
    for (let count = 0; count < 3; count += 1) balancer.send(() => count);
    // One of ours was read, and two of others came before: 2 + 3 are more than there is room.
    balancer.hear({ ...statusOf(1), warm: [warmOf(3)] });
    expect(balancer.send(() => 3)).toBe(false);
  });
});

describe('SendPositions', () => {
  it('tells what others have sent by what is missing between ours', () => {
    const positions = new SendPositions();
    positions.read(10);
    for (const position of [10, 13, 14]) positions.sent(position);
    expect(positions.ofOthers).toBe(2);
    positions.read(12);
    expect(positions.ofOthers).toBe(1);
    positions.read(15);
    expect(positions.ofOthers).toBe(0);
    expect([positions.isRead(14), positions.isRead(15), positions.isRead(undefined)]).toEqual([true, false, false]);
  });

  it('knows nothing where no status says how far it was read', () => {
    const positions = new SendPositions();
    positions.sent(3);
    expect([positions.ofOthers, positions.isRead(3)]).toEqual([0, true]);
  });
});
