import { givesWay, WaitingLine } from '../../../../common/src/clock';
import { randomFrom, testSeed } from '../../../support/random';

/** A line of tickets `0`, `1`, ... that came at these times and are due 100 ms later. */
function lineOf(...times: number[]): WaitingLine<number> {
  const line = new WaitingLine<number>();
  times.forEach((sinceMs, ticket) => line.push({ ticket, sinceMs, dueMs: sinceMs + 100 }));
  return line;
}

/** Takes out all that wait. */
function taken(line: WaitingLine<number>, answerMs: number): number[] {
  const tickets: number[] = [];
  for (let next = line.take(answerMs); next !== undefined; next = line.take(answerMs)) tickets.push(next.ticket);
  return tickets;
}

describe('a waiting line', () => {
  it('serves in the order of arrival while all can be in time', () => {
    expect(taken(lineOf(1, 2, 3), 101)).toEqual([0, 1, 2]);
  });

  it('serves what is due first, whenever it came', () => {
    const line = lineOf(1, 2);
    expect(line.push({ ticket: 2, sinceMs: 3, dueMs: 50 })).toBe(0);
    expect(taken(line, 10)).toEqual([2, 0, 1]);
  });

  it('serves the newest first once somebody is late, and those that are late behind those that are not', () => {
    const line = lineOf(1, 2, 3, 4);
    expect(line.next(103)).toEqual({ ticket: 3, sinceMs: 4, dueMs: 104 });
    expect(taken(line, 103)).toEqual([3, 2, 1, 0]);
  });

  it('gives up the one that would be served last', () => {
    expect(lineOf(1, 2, 3).takeLast(50)?.ticket).toBe(2);
    expect(lineOf(1, 2, 3).takeLast(102)?.ticket).toBe(0);
    expect(new WaitingLine<number>().takeLast(0)).toBeUndefined();
  });

  it('serves one that came back in its place: before those that came after it, without an objective too', () => {
    const line = new WaitingLine<string>();
    line.push({ ticket: 'b', sinceMs: 2, dueMs: Infinity });
    line.push({ ticket: 'a', sinceMs: 1, dueMs: Infinity });
    expect([line.take(9)?.ticket, line.take(9)?.ticket, line.take(9)]).toEqual(['a', 'b', undefined]);
  });

  it('knows how many go before one that is due then', () => {
    const line = lineOf(0, 10, 20);
    expect([line.before(110, 50), line.before(130, 50), line.before(130, 105), line.before(90, 105)]).toEqual([
      2, 3, 0, 3,
    ]);
  });

  it('knows the one that has waited longest, whoever is next', () => {
    const line = lineOf(1, 2, 3);
    expect(line.takeOldest()).toEqual({ ticket: 0, sinceMs: 1, dueMs: 101 });
    expect(line.oldestMs).toBe(2);
  });

  it('never loses or repeats one, and never serves one that is late before one that is not', () => {
    const seed = testSeed();
    const random = randomFrom(seed);
    const line = new WaitingLine<number>();
    const out: number[] = [];
    let [nowMs, came] = [0, 0];
    for (let step = 0; step < 3_000; step += 1) {
      nowMs += random(3);
      const answerMs = nowMs + random(8);
      if (random(2) === 0) line.push({ ticket: came++, sinceMs: nowMs, dueMs: nowMs + random(15) });
      else {
        const hadTimely = [...line].some(({ dueMs }) => dueMs >= answerMs);
        const next = line.take(answerMs);
        expect({ seed, step, late: next !== undefined && next.dueMs < answerMs && hadTimely }).toMatchObject({
          late: false,
        });
        if (next !== undefined && random(4) === 0) line.push(next);
        else if (next !== undefined) out.push(next.ticket);
      }
      const dues = [...line].map(({ dueMs }) => dueMs);
      expect(dues).toEqual([...dues].sort((one, other) => one - other));
      expect(line.length).toBe(came - out.length);
    }
    const all = [...out, ...taken(line, nowMs)].sort((one, other) => one - other);
    expect({ seed, all }).toEqual({ seed, all: Array.from({ length: came }, (_, ticket) => ticket) });
  });
});

describe('who gives way', () => {
  const line = (priority: number, length: number) => ({ priority, length });

  it('is the longest line of the lowest priority, and among equals the newcomer', () => {
    const [low, long, own] = [line(0, 2), line(1, 9), line(1, 3)];
    expect(givesWay([low, long, own], own)).toBe(low);
    expect(givesWay([long, own], own)).toBe(long);
    expect(givesWay([line(1, 3), own], own)).toBe(own);
    expect(givesWay([line(2, 99), own], own)).toBe(own);
  });

  it('leaves every line its equal part, however much one of them asks for', () => {
    const seed = testSeed();
    const random = randomFrom(seed);
    const lines = Array.from({ length: 5 }, () => ({ priority: 0, length: 0 }));
    const [noisy, ...quiet] = lines;
    for (let step = 0; step < 5_000; step += 1) {
      const own = random(20) === 0 ? quiet[random(4)] : noisy;
      if (own === undefined) throw new Error('no line');
      own.length += 1;
      if (lines.reduce((sum, { length }) => sum + length, 0) > 50) givesWay(lines, own).length -= 1;
    }
    expect({ seed, quiet: quiet.map(({ length }) => length) }).toEqual({ seed, quiet: [10, 10, 10, 10] });
  });
});
