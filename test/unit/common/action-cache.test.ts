import type { Action } from '@tetris/common';
import { ActionCache } from '../../../common/src/entities/action-cache';

const KB = 1_024;
const actionOf = (name: string, bytes: number): Action =>
  ({ name, exec: { kind: 'nodejs:tetris', code: 'x'.repeat(bytes), binary: false } }) as unknown as Action;

/** Reads that are counted. */
function reader(bytes = KB): { read: (name: string) => () => Promise<Action>; names: string[] } {
  const names: string[] = [];
  const read = (name: string) => async (): Promise<Action> => {
    names.push(name);
    return actionOf(name, bytes);
  };
  return { read, names };
}

describe('ActionCache', () => {
  it('reads once what several want at the same time, and not again while it is kept', async () => {
    const cache = new ActionCache({ cacheBytesMax: 1024 * KB, cacheTtlMs: 1_000 });
    const { read, names } = reader();
    const both = await Promise.all([cache.get('a', read('a')), cache.get('a', read('a'))]);
    expect(both.map(({ name }) => name)).toEqual(['a', 'a']);
    await cache.get('a', read('a'));
    expect(names).toEqual(['a']);
  });

  it('reads again when the entry is old, and whenever reading failed', async () => {
    let nowMs = 1;
    const cache = new ActionCache({ cacheBytesMax: 1024 * KB, cacheTtlMs: 1_000 }, () => nowMs);
    const { read, names } = reader();
    const failing = cache.get('a', () => Promise.reject(new Error('away')));
    await expect(failing).rejects.toThrow('away');
    await cache.get('a', read('first'));
    nowMs += 1_000;
    await cache.get('a', read('kept'));
    nowMs += 1;
    await cache.get('a', read('second'));
    expect(names).toEqual(['first', 'second']);
  });

  it('lets the longest unused go for new ones, and keeps nothing larger than itself', async () => {
    const cache = new ActionCache({ cacheBytesMax: 10 * KB, cacheTtlMs: 1_000 });
    const { read, names } = reader(2 * KB);
    await cache.get('a', read('a'));
    await cache.get('b', read('b'));
    await cache.get('a', read('a'));
    await cache.get('c', read('c'));
    expect(cache.bytes).toBeLessThanOrEqual(10 * KB);
    await cache.get('a', read('a'));
    await cache.get('b', read('b'));
    await cache.get('huge', async () => actionOf('huge', 20 * KB));
    expect(cache.bytes).toBeLessThanOrEqual(10 * KB);
    expect(names).toEqual(['a', 'b', 'c', 'b']);
  });
});
