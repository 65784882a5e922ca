#!/usr/bin/env node
/**
 * `npm run bench -- <suite> [--json FILE] [--quick] [--only KEYS] [--trace FILE]`: runs one suite and prints its figures, with the
 * machine they are of.
 */
import { checkOutputs, errorMessage, outliveReaders } from '@tetris/common';
import { Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import { machine } from './measure/machine';
import type { SuiteOptions } from './suite';
import { findSuite, SUITES } from './suites';

async function runSuite(name: string, { json, ...options }: SuiteOptions & { json?: string }): Promise<void> {
  const entry = findSuite(name);
  await checkOutputs({ json });
  const suite = await entry.load();
  const result = { suite: name, machine: machine(), ...(await suite.run(options)) };
  const text = `${JSON.stringify(result, undefined, 2)}\n`;
  process.stdout.write(text);
  if (json !== undefined) await writeFile(json, text);
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
  .addHelpText('after', `\nSuites:\n${list.join('\n')}`)
  .action(runSuite)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`bench: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
