#!/usr/bin/env node
/** `npm run demo`: the whole system on this machine, beside plain processes that do the same work. */
import { checkOutputs, errorMessage, outliveReaders } from '@tetris/common';
import { Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import { machine } from '../measure/machine';
import { SIGNALS } from '../signals';
import { Cleanups } from './cleanups';
import type { Comparison } from './comparison';
import { demoSteps, runDemo } from './demo';
import { figuresOf, functionFigures } from './figures';
import { createProgress } from './progress';
import { closingSentence, figureTable, functionTable, missedFigures } from './report';
import { fullSettings, smallSettings } from './settings';

/** Answers that differ by more than this are wrong, not rounded. */
const RELATIVE_ERROR_MAX = 1e-5;

interface DemoOptions {
  json?: string;
  small: boolean;
  store?: string;
}

/**
 * Prints the figures; those of small models have no targets.
 * @throws Error that names each figure which misses its target
 */
async function report({ steps, latencies, store }: Comparison, { json, small }: DemoOptions): Promise<void> {
  const figures = figuresOf(steps, latencies);
  const functions = functionFigures(steps);
  process.stdout.write(
    `\n${functionTable(functions, store)}\n\n${figureTable(figures, !small)}\n\n${closingSentence(figures)}\n`,
  );
  if (json !== undefined) {
    const document = { ...figures, small, functions, store, machine: machine() };
    await writeFile(json, `${JSON.stringify(document, undefined, 2)}\n`);
  }
  if (figures.maxRelativeError > RELATIVE_ERROR_MAX) {
    throw new Error(`an answer differs from plain onnxruntime's by ${figures.maxRelativeError} (relative)`);
  }
  const missed = small ? [] : missedFigures(figures);
  if (missed.length > 0) throw new Error(`missed: ${missed.join('; ')}`);
}

/** Resolves with the exit code. A signal ends the work, which then fails one way or another; only its number counts. */
async function demo(options: DemoOptions): Promise<number> {
  const defaults = options.small ? smallSettings() : fullSettings();
  const settings = { ...defaults, storeParent: options.store ?? defaults.storeParent };
  const cleanups = new Cleanups();
  const progress = createProgress(demoSteps(settings), process.stderr);
  let signalled: number | undefined;
  for (const [signal, number] of SIGNALS) {
    process.on(signal, () => {
      if (signalled === undefined) process.stderr.write(`\n${signal}: cleaning up\n`);
      signalled ??= 128 + number;
      void finish(cleanups).then(() => process.exit(signalled));
    });
  }
  try {
    await checkOutputs({ json: options.json });
    const result = await runDemo(settings, progress, cleanups);
    progress.stop();
    await report(result, options);
  } catch (error) {
    progress.stop();
    if (signalled === undefined) process.stderr.write(`demo: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  }
  await finish(cleanups);
  return signalled ?? Number(process.exitCode ?? 0);
}

async function finish(cleanups: Cleanups): Promise<void> {
  await cleanups.run().catch((error: unknown) => {
    process.stderr.write(`demo: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
}

outliveReaders();
new Command('demo')
  .description('runs three functions on the platform and as plain processes, and compares')
  .option('--json <file>', 'write the figures there too')
  .option('--small', 'models of a few MB: quick, but its ratios mean little', false)
  .option('--store <folder>', 'make the tensor store in this folder instead of on /dev/shm')
  .action(async (options: DemoOptions) => process.exit(await demo(options)))
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`demo: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
