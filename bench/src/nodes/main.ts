#!/usr/bin/env node
/**
 * `npm run nodes -- FILE [ARGUMENT...]`: runs a JavaScript file under each Node version, and fails where one of them
 * does.
 */
import { errorMessage } from '@tetris/common';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, dirname } from 'node:path';
import { type NodeVersion, nodeVersions } from './node-versions';

/** @returns true where it ended well */
async function runUnder({ major, binary }: NodeVersion, command: readonly string[]): Promise<boolean> {
  process.stdout.write(`\n== Node ${major}: ${command.join(' ')}\n`);
  // What it starts finds the same Node first.
  const PATH = [dirname(binary), process.env['PATH']].join(delimiter);
  const child = spawn(binary, command, { stdio: 'inherit', env: { ...process.env, PATH } });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

async function main(command: readonly string[]): Promise<void> {
  if (command.length === 0) throw new Error('which file is to be run?');
  const failed: number[] = [];
  for (const version of await nodeVersions()) {
    if (!(await runUnder(version, command))) failed.push(version.major);
  }
  if (failed.length > 0) throw new Error(`failed under Node ${failed.join(', ')}`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`nodes: ${errorMessage(error)}\n`);
  process.exitCode = 1;
});
