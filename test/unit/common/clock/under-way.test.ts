import { underWay } from '../../../../common/src/clock';

const AT_ONCE = { atOnce: 8, executionMs: 40 };

describe('underWay', () => {
  it('is nobody where the way takes no time', () => {
    expect(underWay(16, { ...AT_ONCE, wayMs: 0 })).toBe(0);
  });

  it('is the share of few that they are not executed in', () => {
    expect(underWay(4, { ...AT_ONCE, wayMs: 40 })).toBe(2);
    expect(underWay(1, { ...AT_ONCE, wayMs: 40 })).toBe(0);
  });

  it('is, of many, what passes by in that time: the others wait', () => {
    expect(underWay(100, { ...AT_ONCE, wayMs: 20 })).toBe(4);
    expect(underWay(1_000, { ...AT_ONCE, wayMs: 20 })).toBe(4);
  });

  it('is never more than there are', () => {
    expect(underWay(3, { atOnce: 1_000, executionMs: 1, wayMs: 1e9 })).toBeLessThanOrEqual(3);
  });
});
