#!/usr/bin/env node
/** `npm run conformance -- [PATH...] [--json FILE]`: does every model answer as it does in plain onnxruntime-node? */
import { errorMessage } from '@tetris/common';
import { Command, InvalidArgumentError } from 'commander';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { Cleanups, privateFolder } from '../demo/cleanups';
import { createProgress } from '../demo/progress';
import { machine } from '../measure/machine';
import { SIGNALS } from '../signals';
import { writeCorpus } from './corpus/index';
import { runConformance } from './conformance';
import { findModels, rootOf } from './models';
import { conforms, summaryOf, summaryText } from './summary';
import { type Way, WAYS } from './work';

interface Options {
  corpus?: string;
  every: number;
  jobs: number;
  seed: number;
  json?: string;
  only?: string;
  timeout: number;
  ways: readonly Way[];
}

async function run(folders: readonly string[], options: Options, cleanups: Cleanups): Promise<number> {
  const given = folders.length > 0 ? folders : [await corpusFolder(options, cleanups)];
  const roots = await Promise.all(given.map(rootOf));
  const found = (await Promise.all(given.map(findModels))).flat();
  const named = found.filter(({ name }) => name.includes(options.only ?? ''));
  const models = named.filter((_, index) => index % options.every === 0);
  if (models.length === 0) throw new Error(`there is no .onnx file in ${given.join(', ')}`);
  const progress = createProgress(models.length, process.stderr);
  const { ways, jobs } = options;
  const timeoutMs = 1000 * options.timeout;
  const onModel = ({ name }: { name: string }): void => progress.step(name);
  const results = await runConformance({ models, roots, ways, jobs, timeoutMs, onModel }, cleanups);
  progress.stop();
  const summary = summaryOf(results);
  process.stdout.write(`${summaryText(summary)}\n`);
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ ...summary, machine: machine() }, undefined, 2)}\n`);
  }
  return conforms(summary) ? 0 : 1;
}

/** Writes the project's own corpus, to be removed at the end unless a folder was given for it. */
async function corpusFolder({ corpus, seed }: Options, cleanups: Cleanups): Promise<string> {
  const folder = corpus ?? (await privateFolder(tmpdir(), cleanups));
  await writeCorpus(folder, seed);
  return folder;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number of seconds above 0 is wanted');
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on is wanted');
  return value;
}

function waysOf(text: string): Way[] {
  const ways = text.split(',');
  const unknown = ways.find((way) => !WAYS.includes(way as Way));
  if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is none of ${WAYS.join(', ')}`);
  return ways as Way[];
}

/** Resolves with the exit code. A signal ends the work, which then fails one way or another; only its number counts. */
async function conformance(folders: readonly string[], options: Options): Promise<number> {
  const cleanups = new Cleanups();
  let signalled: number | undefined;
  for (const [signal, number] of SIGNALS) {
    process.on(signal, () => {
      signalled ??= 128 + number;
      void cleanups.run().finally(() => process.exit(signalled));
    });
  }
  let code = 1;
  try {
    code = await run(folders, options, cleanups);
  } catch (error) {
    if (signalled === undefined) process.stderr.write(`conformance: ${errorMessage(error)}\n`);
  }
  await cleanups.run();
  return signalled ?? code;
}

new Command('conformance')
  .description('runs models on the platform and in plain onnxruntime-node, and compares')
  .argument('[path...]', '.onnx files, and folders with such; without any, models made by this project')
  .option('--json <file>', 'write the counts there too, with a row for each model that is not equal')
  .option('--every <number>', 'a sample: one model of so many', count, 1)
  .option('--jobs <count>', 'models that are run side by side', count, availableParallelism())
  .option('--only <text>', 'only models whose name contains it')
  .option('--corpus <folder>', "keep the project's own models in this folder")
  .option('--seed <number>', "of the project's own models", count, 1)
  .option('--timeout <seconds>', 'longest time for one model, given in one way, on one side', seconds, 60)
  .option('--ways <list>', 'how models are given', waysOf, WAYS)
  .action(async (folders: string[], options: Options) => process.exit(await conformance(folders, options)))
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`conformance: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
