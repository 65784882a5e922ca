import { memoryShares } from '../../../tensor-daemon/src/memory';

const GIB = 1024 ** 3;
const CONFIG = { storeBytesMax: 0, storeMemoryRatio: 0.5, ingestMemoryBytesMax: 0, ingestMemoryRatio: 0.25 };

describe('memoryShares', () => {
  it('are shares of the memory where nothing else is said', () => {
    expect(memoryShares(CONFIG, 16 * GIB)).toEqual({ storeBytes: 8 * GIB, ingestBytes: 4 * GIB });
  });

  it('are what is said', () => {
    const said = { ...CONFIG, storeBytesMax: 1, ingestMemoryBytesMax: 2 };
    expect(memoryShares(said, 16 * GIB)).toEqual({ storeBytes: 1, ingestBytes: 2 });
  });

  it('leave the optimizer enough to run at all', () => {
    expect(memoryShares(CONFIG, GIB).ingestBytes).toBe(GIB);
  });
});
