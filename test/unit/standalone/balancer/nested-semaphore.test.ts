import fc from 'fast-check';
import { NestedSemaphore } from '../../../../standalone/src/controller/balancer/nested-semaphore';

describe('NestedSemaphore', () => {
  it("takes an action's memory for each activation when concurrency is 1", () => {
    const semaphore = new NestedSemaphore(512);
    expect([1, 2, 3].map(() => semaphore.tryAcquire('a', 1, 256))).toEqual([true, true, false]);
    expect(semaphore.available).toBe(0);
    expect(semaphore.release('a', 1, 256)).toBe(true);
    expect(semaphore.tryAcquire('b', 1, 256)).toBe(true);
  });

  it("takes the memory once for as many activations as the action's concurrency", () => {
    const semaphore = new NestedSemaphore(512);
    const taken = Array.from({ length: 7 }, () => semaphore.tryAcquire('a', 3, 256));
    expect(taken).toEqual([true, true, true, true, true, true, false]);
    expect(semaphore.available).toBe(0);
  });

  it('gives the memory back in groups as slots drain', () => {
    const semaphore = new NestedSemaphore(512);
    for (let count = 0; count < 4; count += 1) semaphore.tryAcquire('a', 3, 256);
    semaphore.release('a', 3, 256);
    expect(semaphore.available).toBe(256);
    semaphore.release('a', 3, 256);
    semaphore.release('a', 3, 256);
    expect(semaphore.available).toBe(256);
    semaphore.release('a', 3, 256);
    expect(semaphore.available).toBe(512);
  });

  it('keeps two actions apart', () => {
    const semaphore = new NestedSemaphore(512);
    semaphore.tryAcquire('a', 4, 256);
    semaphore.tryAcquire('b', 4, 256);
    expect(semaphore.available).toBe(0);
    expect(semaphore.tryAcquire('c', 4, 256)).toBe(false);
  });

  it('goes below zero by force, and recovers', () => {
    const semaphore = new NestedSemaphore(128);
    semaphore.forceAcquire('a', 1, 256);
    expect(semaphore.available).toBe(-128);
    expect(semaphore.tryAcquire('b', 1, 128)).toBe(false);
    semaphore.release('a', 1, 256);
    expect(semaphore.available).toBe(128);
  });

  it('bad call: tells of a release that nobody had acquired', () => {
    const semaphore = new NestedSemaphore(512);
    expect(semaphore.release('a', 2, 256)).toBe(false);
    expect(semaphore.release('a', 1, 256)).toBe(false);
  });

  it('is whole again after any mix of acquires and their releases', () => {
    const step = fc.record({ action: fc.integer({ min: 0, max: 3 }), release: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const semaphore = new NestedSemaphore(1024);
        const held = [0, 0, 0, 0];
        const of = (action: number): [string, number, number] => [`a${action}`, action + 1, 128 * (action + 1)];
        for (const { action, release } of steps) {
          if (release && (held[action] ?? 0) > 0) {
            expect(semaphore.release(...of(action))).toBe(true);
            held[action] = (held[action] ?? 0) - 1;
          } else if (!release) {
            semaphore.forceAcquire(...of(action));
            held[action] = (held[action] ?? 0) + 1;
          }
        }
        held.forEach((count, action) => {
          for (let left = count; left > 0; left -= 1) expect(semaphore.release(...of(action))).toBe(true);
        });
        expect(semaphore.available).toBe(1024);
      }),
    );
  });
});
