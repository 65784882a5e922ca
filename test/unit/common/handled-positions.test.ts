import fc from 'fast-check';
import { HandledPositions } from '../../../common/src/bus/handled-positions';

describe('HandledPositions', () => {
  it('commits up to the first message that is not handled, whatever follows it', () => {
    const positions = new HandledPositions();
    for (const offset of [5n, 6n, 9n]) positions.handedOut(offset);
    expect(positions.take()).toBeUndefined();
    positions.handled(6n);
    expect(positions.take()).toBeUndefined();
    positions.handled(5n);
    expect(positions.take()).toBe(7n);
    expect(positions.take()).toBeUndefined();
    positions.handled(9n);
    expect(positions.take()).toBe(10n);
  });

  it('never passes an open message, and in the end every one, in whatever order they are handled', () => {
    const orders = fc.uniqueArray(fc.nat(50), { minLength: 1 });
    fc.assert(
      fc.property(orders, (order) => {
        const positions = new HandledPositions();
        const open = new Set([...order].sort((one, other) => one - other));
        for (const offset of open) positions.handedOut(BigInt(offset));
        const last = Math.max(...order);
        let committed = 0n;
        for (const offset of order) {
          positions.handled(BigInt(offset));
          open.delete(offset);
          committed = positions.take() ?? committed;
          expect([...open].every((each) => BigInt(each) >= committed)).toBe(true);
        }
        expect(committed).toBe(BigInt(last) + 1n);
      }),
    );
  });

  it('bad call: ignores what it has not handed out', () => {
    const positions = new HandledPositions();
    positions.handled(3n);
    expect(positions.take()).toBeUndefined();
  });
});
