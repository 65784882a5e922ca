import { findSuite, SUITES } from '../../../bench/src/suites';

describe('benchmark suites', () => {
  it('are found by name', () => {
    expect(findSuite('latency')).toBe(SUITES['latency']);
  });

  it.each(['nope', 'toString', ''])("bad call: an unknown name ('%s') is answered with the names there are", (name) => {
    expect(() => findSuite(name)).toThrow(`no suite named '${name}'; there are: ${Object.keys(SUITES).join(', ')}`);
  });
});
