import { rounded } from '../measure/statistics';
import type { SuiteResult } from '../suite';

/** How many fit on one side. */
export interface DensityRow {
  /** `<subject>/<side>` */
  name: string;
  /** A model, or `functions` of one origin. */
  subject: string;
  side: string;
  capMb: number;
  fit: number;
  /** Run time of those that fit, one at work at a time. */
  p99Ms: number;
}

/** Both sides of one subject. */
export interface Density {
  subject: string;
  capMb: number;
  tetris: number;
  stock: number;
  ratio: number;
  p99Ms: { tetris: number; stock: number };
}

/** Objective of the functions, ms: INFless's for ResNet-50. */
const SLO_MS = 300;

/** @param rows subjects of which both sides are known make up the figures */
export function densityFigures(rows: readonly DensityRow[]): SuiteResult {
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const all = subjects.flatMap((subject) => densityOf(rows.filter((row) => row.subject === subject)));
  const ratios = all.filter(({ subject }) => subject !== 'functions').map(({ ratio }) => ratio);
  const functions = all.find(({ subject }) => subject === 'functions');
  return {
    ...(ratios.length === 0 ? {} : { densityRatio: Math.max(...ratios) }),
    ...(functions === undefined ? {} : { functions: { ...functions, inTime: functions.p99Ms.tetris <= SLO_MS } }),
    densities: all,
    rows,
  };
}

function densityOf(rows: readonly DensityRow[]): Density[] {
  const [tetris, stock] = ['tetris', 'stock'].map((side) => rows.find((row) => row.side === side));
  if (tetris === undefined || stock === undefined) return [];
  return [
    {
      subject: tetris.subject,
      capMb: tetris.capMb,
      tetris: tetris.fit,
      stock: stock.fit,
      ratio: rounded(tetris.fit / Math.max(1, stock.fit), 1),
      p99Ms: { tetris: tetris.p99Ms, stock: stock.p99Ms },
    },
  ];
}
