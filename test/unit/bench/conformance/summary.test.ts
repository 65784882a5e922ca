import type { ModelResult } from '../../../../bench/src/conformance/examine';
import { conforms, summaryOf, summaryText } from '../../../../bench/src/conformance/summary';

const RESULTS: ModelResult[] = [
  { name: 'a', verdict: 'equal', loaded: true },
  { name: 'b', verdict: 'equal', loaded: true, privately: 'too odd' },
  { name: 'c', verdict: 'refusedAlike', detail: 'both refuse', loaded: false },
  { name: 'd', verdict: 'differ', detail: 'a bit', loaded: true },
];

describe('the summary of a run', () => {
  it('counts every model once by its verdict, and those that load by how they were loaded', () => {
    expect(summaryOf(RESULTS)).toMatchObject({
      models: 4,
      equal: 2,
      refusedAlike: 1,
      differ: 1,
      refusedByOursOnly: 0,
      refusedByStockOnly: 0,
      crashed: 0,
      shared: 2,
      privateByReason: { 'too odd': 1 },
    });
  });

  it('has a row for each model that is not equal', () => {
    expect(summaryOf(RESULTS).rows.map(({ name }) => name)).toEqual(['c', 'd']);
  });

  it('conforms where nothing differs, is refused here only or crashes', () => {
    expect(conforms(summaryOf(RESULTS))).toBe(false);
    expect(conforms(summaryOf(RESULTS.slice(0, 3)))).toBe(true);
  });

  it('tells as text what is not right, and why models are private', () => {
    const text = summaryText(summaryOf(RESULTS));
    expect(text).toContain('differ: d: a bit');
    expect(text).toContain('private: too odd');
  });
});
