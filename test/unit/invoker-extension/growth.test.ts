import { GrowthWatch } from '../../../invoker-extension/src/instances/growth';

const watch = (bytesMax: number, ...samples: number[]): GrowthWatch => {
  const subject = new GrowthWatch(bytesMax);
  for (const bytes of samples) subject.measured(new Map([[1, bytes]]));
  return subject;
};

describe('growth of an instance', () => {
  it('counts from the largest of its first three samples', () => {
    expect(watch(100, 10, 50, 30, 150).excess(1)).toBe(0);
    expect(watch(100, 10, 50, 30, 151).excess(1)).toBe(101);
  });

  it('is none where memory was given back again', () => {
    expect(watch(100, 10, 10, 10, 500, 20).excess(1)).toBe(0);
  });

  it('is none of an instance that was not measured, or is forgotten', () => {
    const subject = watch(100, 1, 1, 1, 500);
    expect(subject.excess(2)).toBe(0);
    subject.forget(1);
    expect(subject.excess(1)).toBe(0);
  });

  it('is of no interest where the bound is 0', () => {
    expect(watch(0, 1, 1, 1, 1e12).excess(1)).toBe(0);
  });
});
