import { Admission } from '../../../action-runtime/src/inference/admission';
import { randomFrom } from '../../support/random';

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
    admission.enter(1);
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
    const seed = Date.now() % 100_000;
    console.log(`seed ${seed}`);
    const random = randomFrom(seed);
    const admission = new Admission(5, 1000);
    let [runs, bytes, ended] = [0, 0, 0];
    const one = async (size: number): Promise<void> => {
      await admission.enter(size);
      [runs, bytes] = [runs + 1, bytes + size];
      expect(runs === 1 || (runs <= 5 && bytes <= 1000)).toBe(true);
      for (let turns = random(5); turns >= 0; turns--) await Promise.resolve();
      [runs, bytes, ended] = [runs - 1, bytes - size, ended + 1];
      admission.leave(size);
    };
    await Promise.all(Array.from({ length: 500 }, () => one(random(1200))));
    expect(ended).toBe(500);
  });
});
