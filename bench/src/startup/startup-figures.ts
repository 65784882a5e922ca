import { rounded } from '../measure/statistics';
import type { SuiteResult } from '../suite';

/** First answers of one model in one way; medians. */
export interface StartupRow {
  /** `<model>/<way>` */
  name: string;
  model: string;
  way: string;
  /** From the wish for an instance to its answer. */
  answerMs: number;
  /** Least and most of the rounds. */
  spreadMs: [number, number];
  /** `InferenceSession.create` and the first `run`, as the action sees them. */
  loadMs: number;
  runMs: number;
  stagesMs: Readonly<Record<string, number>>;
}

/** @param rows those of models whose plain processes are measured too make up the figures */
export function startupFigures(rows: readonly StartupRow[]): SuiteResult {
  const models = [...new Set(rows.map(({ model }) => model))];
  const cuts = models.flatMap((model) => cutsOf(rows.filter((row) => row.model === model)));
  const most = (figure: 'startupCut' | 'loadCut'): SuiteResult =>
    cuts.length === 0 ? {} : { [figure]: Math.max(...cuts.map((cut) => cut[figure])) };
  return { ...most('startupCut'), ...most('loadCut'), cuts, rows };
}

interface Cut {
  model: string;
  /** What most of the start-up is saved by, and of the load. */
  way: string;
  startupCut: number;
  loadCut: number;
}

function cutsOf(rows: readonly StartupRow[]): Cut[] {
  const stock = rows.find(({ way }) => way === 'stock');
  // One that sleeps is no new instance.
  const others = rows.filter(({ way }) => way !== 'stock' && way !== 'asleep');
  if (stock === undefined || others.length === 0) return [];
  const fastest = others.reduce((one, other) => (other.answerMs < one.answerMs ? other : one));
  const leastLoadMs = Math.min(...others.map(({ loadMs }) => loadMs));
  return [
    {
      model: stock.model,
      way: fastest.way,
      startupCut: rounded(1 - fastest.answerMs / stock.answerMs),
      loadCut: rounded(1 - leastLoadMs / stock.loadMs),
    },
  ];
}
