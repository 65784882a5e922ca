import { machineMemory } from '../../../common/src/environment';

const GIB = 1024 ** 3;

describe('machineMemory', () => {
  it.each([
    ['the machine has, without a control group', 8, 0, 8],
    ['its control group has', 8, 2, 2],
    ['the machine has, in a control group without a limit', 8, 2 ** 33, 8],
  ])('is what %s', (_what, total, constrained, expected) => {
    expect(machineMemory(total * GIB, constrained * GIB)).toBe(expected * GIB);
  });
});
