import { homeHash, homeWalk, javaHash } from '@tetris/load-balancer';
import { pairwiseCoprimes, invokersFor } from '../../../load-balancer/src/placement/home-invoker';

describe('javaHash', () => {
  it.each([
    ['', 0],
    ['a', 97],
    ['hello', 99162322],
    ['Aa', 2112],
    ['BB', 2112],
    ['polygenelubricants', -2147483648],
    ['guest/vision/classify', -1687880044],
    ['ä€😀', 16603051],
    ['whisk.system/invokerHealthTestAction0', -1812739596],
  ])("is Java's for %j", (text, hash) => {
    expect(javaHash(text)).toBe(hash);
  });
});

describe('homeHash', () => {
  it('combines the two hashes by exclusive or and takes the absolute value', () => {
    expect(homeHash('a', 'b')).toBe(97 ^ 98);
    expect(homeHash('', 'polygenelubricant')).toBe(Math.abs(javaHash('polygenelubricant')));
  });

  it('is 0 where Java would leave the smallest integer negative', () => {
    expect(homeHash('', 'polygenelubricants')).toBe(0);
  });
});

describe('pairwiseCoprimes', () => {
  it.each([
    [0, []],
    [1, [1]],
    [2, [1]],
    [3, [1, 2]],
    [4, [1, 3]],
    [5, [1, 2, 3]],
    [9, [1, 2, 5, 7]],
    [10, [1, 3, 7]],
  ])('up to %d', (count, steps) => {
    expect(pairwiseCoprimes(count)).toEqual(steps);
  });
});

describe('homeWalk', () => {
  it('begins at home, takes one step at a time and makes two probes more than there are invokers', () => {
    // 10 invokers: steps 1, 3, 7; hash 44 -> home 4, step of index 44 % 3 = 2 -> 7
    expect([...homeWalk(44, 10)]).toEqual([4, 1, 8, 5, 2, 9, 6, 3, 0, 7, 4, 1]);
  });

  it('visits every invoker, for every count and hash', () => {
    for (let count = 1; count <= 60; count += 1) {
      for (let hash = 0; hash < 200; hash += 7) expect(new Set(homeWalk(hash, count)).size).toBe(count);
    }
  });

  it('is empty where there is no invoker', () => {
    expect([...homeWalk(7, 0)]).toEqual([]);
  });
});

describe('invokersFor', () => {
  const ten = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  it('gives the first nine tenths to managed kinds and the last tenth to blackbox actions', () => {
    const fractions = { managedFraction: 0.9, blackboxFraction: 0.1 };
    expect(invokersFor(ten, false, fractions)).toEqual(ten.slice(0, 9));
    expect(invokersFor(ten, true, fractions)).toEqual([9]);
    expect(invokersFor([5], true, fractions)).toEqual(invokersFor([5], false, fractions));
  });

  it('raises the blackbox share where the two leave a gap', () => {
    expect(invokersFor(ten, true, { managedFraction: 0.5, blackboxFraction: 0.1 })).toEqual([5, 6, 7, 8, 9]);
  });
});
