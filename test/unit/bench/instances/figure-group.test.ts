import { chosenGroups, type FigureGroup } from '../../../../bench/src/instances/figure-group';

const group = (...keys: string[]): FigureGroup => ({ keys, measure: async () => ({}) });

describe('groups of figures', () => {
  const groups = [group('memory', 'memoryIdle'), group('latency')];

  it('are all chosen where no key is asked for', () => {
    expect(chosenGroups(groups, undefined)).toEqual(groups);
  });

  it('are chosen by any of their keys', () => {
    expect(chosenGroups(groups, ['memoryIdle'])).toEqual([groups[0]]);
  });

  it.each(['nope', ''])("bad call: an unknown key ('%s') is answered with the keys there are", (key) => {
    expect(() => chosenGroups(groups, ['latency', key])).toThrow(
      `no figure '${key}'; there are: memory, memoryIdle, latency`,
    );
  });
});
