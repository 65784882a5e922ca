/** The action runtime alone: batching, two-phase load and its own overhead, each beside what it is compared with. */
import type { Suite, SuiteResult } from '../suite';
import { batching } from './batching';
import { withBench } from './bench';
import { overhead } from './overhead';
import { twoPhase } from './two-phase';

const run = (): Promise<SuiteResult> =>
  withBench(async (bench) => {
    const results: SuiteResult[] = [];
    for (const [name, measure] of Object.entries({ overhead, twoPhase, batching })) {
      process.stderr.write(`${name}\n`);
      results.push(await measure(bench));
    }
    return Object.assign({}, ...results) as SuiteResult;
  });

export const suite: Suite = { run };
