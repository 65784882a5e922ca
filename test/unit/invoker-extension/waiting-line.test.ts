import { WaitingLine } from '../../../invoker-extension/src/instances/waiting-line';
import { randomFrom, testSeed } from '../../support/random';

/** A line of tickets `0`, `1`, ... that came at these times and are due 100 ms later. */
function lineOf(...times: number[]): WaitingLine<number> {
  const line = new WaitingLine<number>();
  times.forEach((sinceMs, ticket) => line.push({ ticket, sinceMs, dueMs: sinceMs + 100 }));
  return line;
}

/** Takes out all that wait. */
function taken(line: WaitingLine<number>): number[] {
  const tickets: number[] = [];
  for (let next = line.take(); next !== undefined; next = line.take()) tickets.push(next.ticket);
  return tickets;
}

describe('a waiting line', () => {
  it('serves in the order of arrival while nobody is late', () => {
    const line = lineOf(1, 2, 3);
    line.lateBefore(100 + 1);
    expect(line.nextIsLate).toBe(false);
    expect(taken(line)).toEqual([0, 1, 2]);
  });

  it('serves what is due first, whenever it came', () => {
    const line = lineOf(1, 2);
    line.push({ ticket: 2, sinceMs: 3, dueMs: 50 });
    expect(line.dueMs).toBe(50);
    expect(taken(line)).toEqual([2, 0, 1]);
  });

  it('serves the newest first while somebody is late, and the late ones last in their order', () => {
    const line = lineOf(1, 2, 3, 4);
    line.lateBefore(100 + 3);
    expect(line.next).toEqual({ ticket: 3, sinceMs: 4, dueMs: 104 });
    expect(taken(line)).toEqual([3, 2, 0, 1]);
  });

  it('tells that only late ones are left', () => {
    const line = lineOf(1, 5);
    line.lateBefore(100 + 3);
    expect(line.nextIsLate).toBe(false);
    line.take();
    expect(line.nextIsLate).toBe(true);
    line.take();
    expect([line.nextIsLate, line.next, line.length]).toEqual([false, undefined, 0]);
  });

  it('serves one that was put back before all others', () => {
    for (const lateMs of [0, 2]) {
      const line = lineOf(1, 2, 3);
      line.lateBefore(100 + lateMs);
      const first = line.take();
      if (first === undefined) throw new Error('nothing waited');
      line.putBack(first);
      expect(line.next).toEqual(first);
    }
  });

  it('knows the one that has waited longest, whoever is next', () => {
    const line = lineOf(1, 2, 3);
    line.lateBefore(100 + 2);
    expect(line.oldestMs).toBe(1);
    expect(line.takeOldest()).toEqual({ ticket: 0, sinceMs: 1, dueMs: 101 });
    expect(line.oldestMs).toBe(2);
  });

  it('never loses or repeats one, whatever happens in which order', () => {
    const seed = testSeed();
    const random = randomFrom(seed);
    const line = new WaitingLine<number>();
    const out: number[] = [];
    let [nowMs, came] = [0, 0];
    for (let step = 0; step < 2_000; step += 1) {
      nowMs += random(3);
      const event = random(6);
      if (event < 3) line.push({ ticket: came++, sinceMs: nowMs, dueMs: nowMs + 10 + random(5) });
      else if (event === 3) line.lateBefore(nowMs + random(10));
      else {
        const next = event === 4 ? line.take() : line.takeOldest();
        if (next !== undefined && random(4) === 0) line.putBack(next);
        else if (next !== undefined) out.push(next.ticket);
      }
      expect(line.length).toBe(came - out.length);
    }
    expect([...out, ...taken(line)].sort((one, other) => one - other)).toEqual(
      Array.from({ length: came }, (_, at) => at),
    );
  });
});
