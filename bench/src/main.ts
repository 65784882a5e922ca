#!/usr/bin/env node
/** `npm run bench -- <suite> [--json FILE]`: runs one suite and prints its figures, with the machine they are of. */
import { errorMessage } from '@tetris/common';
import { Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import { machine } from './measure/machine';
import { findSuite, SUITES } from './suites';

async function runSuite(name: string, { json }: { json?: string }): Promise<void> {
  const suite = await findSuite(name).load();
  const result = { suite: name, machine: machine(), ...(await suite.run()) };
  const text = `${JSON.stringify(result, undefined, 2)}\n`;
  process.stdout.write(text);
  if (json !== undefined) await writeFile(json, text);
}

const list = Object.entries(SUITES).map(([name, { description }]) => `  ${name.padEnd(12)} ${description}`);

new Command('bench')
  .description('measures a part of the system, side by side with what it is compared to')
  .argument('<suite>', 'which suite to run')
  .option('--json <file>', 'write the figures there too')
  .addHelpText('after', `\nSuites:\n${list.join('\n')}`)
  .action(runSuite)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`bench: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
