/** Function instances: what the next one costs, what an idle one keeps, and how quickly they answer. */
import { withBench } from '../runtime/bench';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { coldAnswer } from './cold-answer';
import { dockerAnswer } from './docker-answer';
import { chosenGroups, type FigureGroup } from './figure-group';
import { idle } from './idle';
import { latency } from './latency';
import { nextInstance } from './next-instance';

/** A new group is a line here. */
const GROUPS: readonly FigureGroup[] = [nextInstance, idle, coldAnswer, dockerAnswer, latency];

async function run({ quick = false, only }: SuiteOptions): Promise<SuiteResult> {
  const groups = chosenGroups(GROUPS, only);
  return withBench(async (bench) => {
    const results: SuiteResult[] = [];
    for (const group of groups) {
      process.stderr.write(`${group.keys.join(', ')}\n`);
      results.push(await group.measure(bench, quick));
    }
    return Object.assign({}, ...results) as SuiteResult;
  });
}

export const suite: Suite = { run };
