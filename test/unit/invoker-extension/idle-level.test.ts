import fc from 'fast-check';
import { IDLE_LEVELS, idleLevel, type IdleView } from '../../../invoker-extension/src/instances/idle-level';
import { testSeed } from '../../support/random';

const settings = { sleepAfterMs: 1000, endProcessAfterMs: 4000, sleepPressure: 0.8 };
const view: IdleView = { idleMs: 2000, room: 1, hasObjective: false, isShort: false, usedShare: 0.9 };

const views: fc.Arbitrary<IdleView> = fc.record({
  idleMs: fc.integer({ min: 0, max: 5000 }),
  room: fc.integer({ min: 1, max: 3 }),
  hasObjective: fc.boolean(),
  isShort: fc.boolean(),
  usedShare: fc.double({ min: 0, max: 1.5, noNaN: true }),
});

describe('the level of an idle instance', () => {
  it('is asleep under pressure', () => {
    expect(idleLevel(view, settings)).toBe('asleep');
  });

  it('has ended its process where that lasts', () => {
    expect(idleLevel({ ...view, idleMs: 3999 }, settings)).toBe('asleep');
    expect(idleLevel({ ...view, idleMs: 4000 }, settings)).toBe('ended');
  });

  it('never ends its process before it may sleep', () => {
    expect(idleLevel({ ...view, idleMs: 999 }, { ...settings, endProcessAfterMs: 0 })).toBe('awake');
  });

  it.each<[string, Partial<IdleView>]>([
    ['it was used just now', { idleMs: 999 }],
    ['several activations share it', { room: 2 }],
    ['memory is free', { usedShare: 0.79 }],
    ['its action has an objective and nobody waits', { hasObjective: true }],
  ])('is awake where %s', (_, other) => {
    expect(idleLevel({ ...view, ...other }, settings)).toBe('awake');
  });

  it('is asleep where somebody waits for memory, objective or not', () => {
    expect(idleLevel({ ...view, hasObjective: true, isShort: true, usedShare: 0.1 }, settings)).toBe('asleep');
  });

  it('never rises with idle time or pressure, and is awake without pressure', () => {
    const rank = (one: IdleView): number => IDLE_LEVELS.indexOf(idleLevel(one, settings));
    const property = fc.property(views, fc.nat(5000), fc.double({ min: 0, max: 1, noNaN: true }), (one, ms, share) => {
      expect(rank({ ...one, idleMs: one.idleMs + ms })).toBeGreaterThanOrEqual(rank(one));
      expect(rank({ ...one, usedShare: one.usedShare + share })).toBeGreaterThanOrEqual(rank(one));
      expect(rank({ ...one, isShort: true })).toBeGreaterThanOrEqual(rank(one));
      expect(rank({ ...one, isShort: false, usedShare: Math.min(one.usedShare, 0.79) })).toBe(0);
    });
    fc.assert(property, { seed: testSeed() });
  });
});
