/** What plans cost over the exact optimum: the product's, the paper's rule, and one shape for each function. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createProgress } from '../demo/progress';
import { rounded, sum } from '../measure/statistics';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { type Demand, oneShape, optimum, ours, paper, type Rule } from './rules';
import { drawnTable, parseTables, type ProfileTable } from './tables';

const RULES: Readonly<Record<string, Rule>> = { ours, paper, oneShape };

/** Tables that are drawn, and those whose seeds make up the small set in the paper's format. */
const DRAWN = 1_000;
const DRAWN_QUICK = 50;

/** Objectives as times of the fastest single request, and rates as times of what the best instance serves. */
const SLO_TIMES = [1.5, 3, 6];
const RATE_TIMES = [0.3, 1, 3, 10, 40];
/** Of the product's configuration. */
const ALPHA = 64;

/** Over the exact optimum. */
interface Excess {
  mean: number;
  worst: number;
}

async function run({ quick = false, tables }: SuiteOptions): Promise<SuiteResult> {
  const drawn = Array.from({ length: quick ? DRAWN_QUICK : DRAWN }, (_, at) => drawnTable(at + 1));
  const sets = { drawn, ...(tables === undefined ? {} : { tables: await readTables(tables) }) };
  const progress = createProgress(Object.keys(sets).length, process.stderr);
  const figures = Object.entries(sets).map(([name, set]) => {
    progress.step(`${name}: ${set.length} tables`);
    return [name, excesses(set)] as const;
  });
  progress.stop();
  return Object.fromEntries(figures);
}

/** Every file of a folder. */
async function readTables(folder: string): Promise<ProfileTable[]> {
  const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
  const texts = await Promise.all(files.map(({ name }) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap(parseTables);
}

function excesses(tables: readonly ProfileTable[]): SuiteResult {
  const ratios: Record<string, number[]> = {};
  let uncovered = 0;
  for (const { rows } of tables) {
    for (const demand of demands(rows)) {
      const least = optimum(rows, demand);
      if (!Number.isFinite(least)) uncovered += 1;
      else for (const [name, rule] of Object.entries(RULES)) (ratios[name] ??= []).push(rule(rows, demand) / least);
    }
  }
  const all = Object.entries(ratios).map(([name, values]) => [name, excessOf(values)]);
  return { cases: ratios['ours']?.length ?? 0, uncovered, ...(Object.fromEntries(all) as Record<string, Excess>) };
}

function demands(rows: ProfileTable['rows']): Demand[] {
  const fastest = Math.min(...rows.filter(({ batch }) => batch === 1).map(({ latencyMs }) => latencyMs));
  const most = Math.max(...rows.map(({ latencyMs, concurrency, batch }) => (1000 / latencyMs) * concurrency * batch));
  return SLO_TIMES.flatMap((slo) =>
    RATE_TIMES.map((times) => ({ sloMs: slo * fastest, rate: times * most, alpha: ALPHA })),
  );
}

const excessOf = (ratios: readonly number[]): Excess => ({
  mean: rounded(sum(ratios) / ratios.length, 4),
  worst: rounded(Math.max(...ratios), 3),
});

export const suite: Suite = { run };
