import { memoryShares } from '../../../tensor-daemon/src/memory';

const GIB = 1024 ** 3;
const CONFIG = { storeBytesMax: 0, storeMemoryRatio: 0.5, ingestMemoryBytesMax: 0, ingestMemoryRatio: 0.25 };

describe('memoryShares', () => {
  it('are shares of the memory where nothing else is said', () => {
    expect(memoryShares(CONFIG, 16 * GIB, Infinity)).toEqual({ storeBytes: 8 * GIB, ingestBytes: 4 * GIB });
  });

  it('are what is said', () => {
    const said = { ...CONFIG, storeBytesMax: 1, ingestMemoryBytesMax: 2 };
    expect(memoryShares(said, 16 * GIB, Infinity)).toEqual({ storeBytes: 1, ingestBytes: 2 });
  });

  it('never give the store more than its file system holds, whatever is said', () => {
    expect(memoryShares(CONFIG, 16 * GIB, 6 * GIB).storeBytes).toBe(6 * GIB);
    expect(memoryShares({ ...CONFIG, storeBytesMax: 12 * GIB }, 16 * GIB, 6 * GIB).storeBytes).toBe(6 * GIB);
  });

  it('leave the optimizer enough to run at all', () => {
    expect(memoryShares(CONFIG, GIB, Infinity).ingestBytes).toBe(GIB);
  });
});
