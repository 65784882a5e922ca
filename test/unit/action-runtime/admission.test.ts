import fc from 'fast-check';
import { Admission } from '../../../action-runtime/src/inference/admission';

describe('Admission', () => {
  it('lets runs in at once while there is room, and then in order of arrival', async () => {
    const admission = new Admission(2, 100);
    const order: string[] = [];
    const enter = (name: string, bytes: number): void => void admission.enter(bytes)?.then(() => order.push(name));
    expect(admission.enter(60)).toBeUndefined();
    enter('large', 50);
    // It would fit, and does not overtake.
    enter('small', 10);
    admission.leave(60);
    await Promise.resolve();
    expect(order).toEqual(['large', 'small']);
    enter('third', 0);
    admission.leave(50);
    await Promise.resolve();
    expect(order).toEqual(['large', 'small', 'third']);
  });

  it('gives the room to one alone that is larger than it', async () => {
    const admission = new Admission(10, 100);
    expect(admission.enter(1)).toBeUndefined();
    let inside = false;
    const large = admission.enter(1000)?.then(() => (inside = true));
    await Promise.resolve();
    expect(inside).toBe(false);
    admission.leave(1);
    await large;
    expect(admission.enter(1)).toBeInstanceOf(Promise);
    admission.leave(1000);
    expect(admission.enter(99)).toBeUndefined();
  });

  it('lets everybody in, never more than allowed, at random', async () => {
    const runs = fc.array(fc.record({ bytes: fc.nat(1200), turns: fc.nat(5) }), { maxLength: 100 });
    const property = fc.asyncProperty(runs, async (wanted) => {
      const admission = new Admission(5, 1000);
      let [inside, bytesInside, ended] = [0, 0, 0];
      const one = async ({ bytes, turns }: { bytes: number; turns: number }): Promise<void> => {
        await admission.enter(bytes);
        [inside, bytesInside] = [inside + 1, bytesInside + bytes];
        expect(inside === 1 || (inside <= 5 && bytesInside <= 1000)).toBe(true);
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        [inside, bytesInside, ended] = [inside - 1, bytesInside - bytes, ended + 1];
        admission.leave(bytes);
      };
      await Promise.all(wanted.map(one));
      expect(ended).toBe(wanted.length);
    });
    await fc.assert(property);
  });
});
