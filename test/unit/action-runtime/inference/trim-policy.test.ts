import { TrimPolicy } from '../../../../action-runtime/src/inference/trim-policy';

const MB = 1024 ** 2;

describe('when freed memory is given back', () => {
  it('two seconds after the last activation, and as long again as that took', () => {
    const policy = new TrimPolicy(0);
    policy.ended(1_000, 0);
    expect(policy.waitMs(1_000)).toBe(2_000);
    policy.ended(2_000, 3_000);
    expect(policy.waitMs(5_000)).toBe(2_000);
    expect(policy.waitMs(7_000)).toBe(0);
  });

  it('after a minute at most, of an activation that took an hour, and of an instance that never rests', () => {
    const policy = new TrimPolicy(0);
    policy.ended(0, 3_600_000);
    expect(policy.waitMs(59_999)).toBeGreaterThan(0);
    expect(policy.waitMs(60_000)).toBe(0);
    policy.trimmed(60_000);
    for (let nowMs = 60_000; nowMs < 120_000; nowMs += 500) {
      policy.ended(nowMs, 400);
      expect(policy.waitMs(nowMs)).toBeGreaterThan(0);
    }
    expect(policy.waitMs(120_000)).toBe(0);
  });

  it('at once after a load, when an activation has ended, though the instance never rests', () => {
    const policy = new TrimPolicy(0);
    policy.ended(1_000, 500);
    policy.loaded();
    expect(policy.waitMs(1_500)).toBe(2_000);
    policy.ended(2_000, 500);
    expect(policy.waitMs(2_000)).toBe(0);
    policy.trimmed(2_000);
    policy.ended(2_500, 500);
    expect(policy.waitMs(2_500)).toBe(2_500);
  });

  it('sooner where half of the way from what its runs need to its limit is used up', () => {
    const policy = new TrimPolicy(0);
    policy.limit(256 * MB);
    expect(policy.nearsLimit(100, () => 127 * MB)).toBe(false);
    expect(policy.nearsLimit(200, () => 129 * MB)).toBe(true);
    policy.trimmed(200);
    // 160 MB are what a run takes: they would be taken again at once.
    expect(policy.nearsLimit(300, () => 160 * MB)).toBe(false);
    expect(policy.nearsLimit(400, () => 207 * MB)).toBe(false);
    expect(policy.nearsLimit(500, () => 209 * MB)).toBe(true);
  });

  it('looks at its memory ten times a second, and not at all without a limit', () => {
    const policy = new TrimPolicy(0);
    let looks = 0;
    const bytes = (): number => (looks += 1);
    for (let nowMs = 0; nowMs < 1_000; nowMs += 1) policy.nearsLimit(nowMs, bytes);
    expect(looks).toBe(0);
    policy.limit(256 * MB);
    for (let nowMs = 1_000; nowMs < 2_000; nowMs += 1) policy.nearsLimit(nowMs, bytes);
    expect(looks).toBe(10);
  });
});
