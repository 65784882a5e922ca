import Table from 'cli-table3';
import { type Verdict, VERDICTS } from './compare';
import type { ModelResult } from './examine';

/** The counts of a run, and a row for each model that is not equal. Ready for JSON. */
export interface Summary extends Record<Verdict, number> {
  models: number;
  /** Models that plain onnxruntime loads and that we shared. */
  shared: number;
  /** The others of those, by why not. */
  privateByReason: Record<string, number>;
  rows: ModelResult[];
}

export function summaryOf(results: readonly ModelResult[]): Summary {
  const counts = VERDICTS.map((verdict) => [verdict, results.filter((result) => result.verdict === verdict).length]);
  const loaded = results.filter((result) => result.loaded);
  const privateByReason: Record<string, number> = {};
  for (const { privately } of loaded) {
    if (privately !== undefined) privateByReason[privately] = (privateByReason[privately] ?? 0) + 1;
  }
  return {
    models: results.length,
    ...(Object.fromEntries(counts) as Record<Verdict, number>),
    shared: loaded.filter(({ privately }) => privately === undefined).length,
    privateByReason,
    rows: results.filter(({ verdict }) => verdict !== 'equal'),
  };
}

/** Nothing that plain onnxruntime runs is different here. */
export function conforms({ differ, refusedByOursOnly, crashed }: Summary): boolean {
  return differ + refusedByOursOnly + crashed === 0;
}

const MEANINGS: Readonly<Record<Verdict, string>> = {
  equal: 'equal to the last bit',
  refusedAlike: 'refused by both, with the same error',
  refusedByStockOnly: 'refused by plain onnxruntime only',
  differ: 'differ',
  refusedByOursOnly: 'refused by ours only',
  crashed: 'crashed or hung here only',
};

/** Columns of a detail; the JSON document has all of it. */
const DETAIL_CHARACTERS = 400;

/** The summary as text: what is not right, then the counts. */
export function summaryText(summary: Summary): string {
  const bad = summary.rows.filter(({ verdict }) => verdict !== 'refusedAlike');
  const lines = bad.map(({ verdict, name, detail = '' }) => `${MEANINGS[verdict]}: ${name}: ${shortened(detail)}`);
  const table = new Table({ head: ['models', String(summary.models)], style: { head: [], border: [] } });
  for (const verdict of VERDICTS) table.push([MEANINGS[verdict], summary[verdict]]);
  table.push(['shared', summary.shared]);
  for (const [reason, count] of byCount(summary.privateByReason)) table.push([`private: ${shortened(reason)}`, count]);
  return [...lines, table.toString()].join('\n');
}

const byCount = (counts: Readonly<Record<string, number>>): [string, number][] =>
  Object.entries(counts).sort(([, one], [, other]) => other - one);

const shortened = (text: string): string =>
  text.length > DETAIL_CHARACTERS ? `${text.slice(0, DETAIL_CHARACTERS)}...` : text;
