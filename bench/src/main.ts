#!/usr/bin/env node
/**
 * `npm run bench -- <suite> [--json FILE] [--html FILE] [--quick]`: runs one suite and prints its figures, with the machine
 * they are of.
 */
import { errorMessage, outliveReaders } from '@tetris/common';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type RunOptions, runSuite, textOf } from './run-suite';
import { endWorkOnSignals } from './signals';
import { SUITES } from './suites';

/** Where `all` keeps its results by default. */
const FOLDER = '.cache/results';

async function run(
  name: string,
  { folder, page, ...options }: RunOptions & { folder: string; page?: boolean },
): Promise<void> {
  if (name === 'all') {
    const { runAll } = await import('./results/all.js');
    await runAll(folder, { ...options, ...(page === undefined ? {} : { page }) });
  } else process.stdout.write(textOf(await runSuite(name, options)));
}

/** @throws InvalidArgumentError, which commander tells with the option and the text */
function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It takes a whole number.');
  return Number(text);
}

outliveReaders();
endWorkOnSignals();
const list = Object.entries(SUITES).map(([name, { description }]) => `  ${name.padEnd(12)} ${description}`);

new Command('bench')
  .description('measures a part of the system, side by side with what it is compared to')
  .argument('<suite>', 'which suite to run; all: those of the evaluation, with a page of results')
  .option('--json <file>', 'write the figures there too')
  .option('--html <file>', 'write them as a page with charts')
  .option('--quick', 'suites that can: seconds instead of minutes; the figures mean little')
  .option('--only <keys>', 'suites that can: only these figures, such as a,b', (keys) => keys.split(','))
  .addOption(new Option('--mode <mode>', "relay: OpenWhisk's scheduler").choices(['sharding', 'fpc']))
  .option('--model <file>', "memory, startup, latency: a model of your own in place of the zoo's")
  .option('--trace <file>', 'suites with a load: bursty, periodic, or a file with one rate a line')
  .option('--functions <names>', 'overload: only these functions, with commas; simulation: how many')
  .option('--loads <loads>', 'overload: only these loads over capacity, with commas; recovery: the one with a burst')
  .option('--neighbour <off|on>', 'overload: only without, or only with a neighbour on the processors')
  .option('--seconds <seconds>', 'overload: load that counts at each point; memory: time for one fleet to grow')
  .option(
    '--room <megabytes>',
    'memory, density, peers: what may be filled (default: half of what is free)',
    wholeNumber,
  )
  .option('--nodes <number>', 'simulation: nodes of the cluster', wholeNumber)
  .option('--seeds <number>', 'simulation: clusters in which the two placements are compared', wholeNumber)
  .option('--seed <number>', 'simulation: another course of events', wholeNumber)
  .option('--beside <number>', 'relay: so many busy processes beside it', wholeNumber)
  .option('--resume', 'suites that take long: measure only what the file of --json lacks')
  .option('--folder <folder>', 'all: where results are kept, and found again', FOLDER)
  .option('--page', 'all: measure nothing, write the page of what the folder has')
  .option('--tables <folder>', "suites that plan: profile tables in the paper's format beside those that are drawn")
  .addHelpText('after', `\nSuites:\n${list.join('\n')}`)
  .action(run)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`bench: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
