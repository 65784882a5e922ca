#!/usr/bin/env node
/**
 * `npm run bench -- <suite> [--json FILE] [--quick] [--only KEYS] [--trace FILE]`: runs one suite and prints its figures, with the
 * machine they are of.
 */
import { checkOutputs, errorMessage, outliveReaders } from '@tetris/common';
import { Command } from 'commander';
import { readFile, writeFile } from 'node:fs/promises';
import { machine } from './measure/machine';
import type { SuiteOptions, SuiteResult } from './suite';
import { findSuite, SUITES } from './suites';

type CommandOptions = Omit<SuiteOptions, 'earlier' | 'save'> & { json?: string; resume?: boolean };

async function runSuite(name: string, { json, resume = false, ...options }: CommandOptions): Promise<void> {
  const entry = findSuite(name);
  await checkOutputs({ json });
  const suite = await entry.load();
  const textOf = (result: SuiteResult): string =>
    `${JSON.stringify({ suite: name, machine: machine(), ...result }, undefined, 2)}\n`;
  const save = async (result: SuiteResult): Promise<void> => {
    if (json !== undefined) await writeFile(json, textOf(result));
  };
  const earlier = resume && json !== undefined ? await readEarlier(json) : undefined;
  const result = await suite.run({ ...options, save, ...(earlier === undefined ? {} : { earlier }) });
  process.stdout.write(textOf(result));
  await save(result);
}

/** What an earlier run has written there; undefined where nothing has. */
async function readEarlier(path: string): Promise<SuiteResult | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text === '' ? undefined : (JSON.parse(text) as SuiteResult);
}

outliveReaders();
const list = Object.entries(SUITES).map(([name, { description }]) => `  ${name.padEnd(12)} ${description}`);

new Command('bench')
  .description('measures a part of the system, side by side with what it is compared to')
  .argument('<suite>', 'which suite to run')
  .option('--json <file>', 'write the figures there too')
  .option('--quick', 'suites that can: seconds instead of minutes; the figures mean little')
  .option('--only <keys>', 'suites that can: only these figures, such as a,b', (keys) => keys.split(','))
  .option('--trace <file>', 'suites with a load: bursty, periodic, or a file with one rate a line')
  .option('--functions <names>', 'overload: only these functions, with commas; simulation: how many')
  .option('--loads <loads>', 'overload: only these loads over capacity, with commas; recovery: the one with a burst')
  .option('--neighbour <off|on>', 'overload: only without, or only with a neighbour on the processors')
  .option('--seconds <seconds>', 'overload: load that counts at each point')
  .option('--nodes <number>', 'simulation: nodes of the cluster', Number)
  .option('--seeds <number>', 'simulation: clusters in which the two placements are compared', Number)
  .option('--seed <number>', 'simulation: another course of events', Number)
  .option('--beside <number>', 'relay: so many busy processes beside it', Number)
  .option('--resume', 'overload: measure only what the file of --json lacks')
  .option('--tables <folder>', "suites that plan: profile tables in the paper's format beside those that are drawn")
  .addHelpText('after', `\nSuites:\n${list.join('\n')}`)
  .action(runSuite)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`bench: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
