/**
 * `npm run profile -- model.onnx --slo 300`: what every configuration of a model costs on this machine, in real instances
 * over a tensor daemon of its own.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { cpus, homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { START_ARGUMENTS } from '@tetris/action-runtime';
import { errorMessage, parseBytes, PluginError } from '@tetris/common';
import {
  type ContainerFactory,
  FileArchive,
  htmlPage,
  pointName,
  ProcessFactory,
  profileModel,
  type SweepSpace,
  terminalTable,
} from '@tetris/invoker-extension';
import { SingleBar } from 'cli-progress';
import { Command } from 'commander';
import { environmentWith } from './config';
import { startPlatform } from './platform';

interface Flags {
  slo?: string;
  batches: string;
  workers: string;
  threads: string;
  cpus?: string;
  dim?: string[];
  rounds: string;
  points: string;
  memory: string;
  timeout: string;
  alpha: string;
  archive: string;
  json?: string;
  html?: string;
}

function command(): Command {
  return new Command('tetris-profile')
    .description('Measures a model in every configuration of an instance and chooses one for a latency objective.')
    .argument('<model>', 'ONNX file')
    .option('--slo <ms>', 'latency objective; hopeless configurations are given up early')
    .option('--batches <list>', 'requests in one execution', '1,2,4,8')
    .option('--workers <list>', 'inference workers of an instance', '1,2')
    .option('--threads <list>', 'threads of a worker', '1,2')
    .option('--cpus <list>', 'cores that an instance may use (default: 1 and all of this machine)')
    .option('--dim <name=size...>', 'size of a symbolic dimension other than the batch (default: 1)')
    .option('--rounds <count>', 'batches timed by each worker', '20')
    .option('--points <count>', 'measure at most so many configurations, estimate the rest', '64')
    .option('--memory <size>', 'memory limit of an instance', '2g')
    .option('--timeout <ms>', 'longest time for one configuration', '120000')
    .option('--alpha <MB>', 'MB that one core is worth', '50')
    .option(
      '--archive <folder>',
      'profiles made so far; asked again, a model answers at once',
      join(homedir(), '.cache', 'tetris-profiles'),
    )
    .option('--json <file>', 'write the profile')
    .option('--html <file>', 'write one self-contained page with charts');
}

/** @throws PluginError `ERR_CONFIG_INVALID` that names the option and the value */
function numbers(option: string, text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.length === 0 || values.some((value) => !Number.isInteger(value) || value < 1)) {
    throw new PluginError('ERR_CONFIG_INVALID', `--${option} takes whole numbers from 1, with commas; got '${text}'`);
  }
  return [...new Set(values)].sort((one, other) => one - other);
}

function one(option: string, text: string): number {
  const [value, ...rest] = numbers(option, text);
  if (value === undefined || rest.length > 0) {
    throw new PluginError('ERR_CONFIG_INVALID', `--${option} takes one whole number from 1; got '${text}'`);
  }
  return value;
}

function dimensions(pairs: readonly string[] | undefined): Record<string, number> {
  return Object.fromEntries(
    (pairs ?? []).map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), one('dim', pair.slice(at + 1))];
    }),
  );
}

function spaceOf(flags: Flags): SweepSpace {
  const cores = cpus().length;
  const wanted = flags.cpus === undefined ? [...new Set([1, cores])] : numbers('cpus', flags.cpus);
  const tooMany = wanted.find((count) => count > cores);
  if (tooMany !== undefined) {
    throw new PluginError('ERR_CONFIG_INVALID', `--cpus asks for ${tooMany} cores; this machine has ${cores}`);
  }
  return {
    variants: ['plain', 'optimized'],
    cpus: wanted,
    concurrencies: numbers('workers', flags.workers),
    threads: numbers('threads', flags.threads),
    batches: numbers('batches', flags.batches),
    ...(flags.slo === undefined ? {} : { sloMs: one('slo', flags.slo) }),
  };
}

/** Limits processes to that many cores with `taskset`, where the system has it. */
function pinned(count: number): string[] {
  const { status } = spawnSync('taskset', ['-c', '0', 'true']);
  return status === 0 ? ['taskset', '-c', `0-${count - 1}`] : [];
}

async function profile(model: string, flags: Flags): Promise<void> {
  const path = resolve(model);
  await access(path).catch(() => {
    throw new PluginError('ERR_MODEL_NOT_FOUND', `there is no file ${path}`);
  });
  const space = spaceOf(flags);
  const memoryBytes = parseBytes(flags.memory);
  if (memoryBytes === undefined)
    throw new PluginError('ERR_CONFIG_INVALID', `--memory takes a size such as 2g; got '${flags.memory}'`);
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());

  const platform = await startPlatform({ modelRoots: [dirname(path)], logLevel: 'error' });
  const factories = new Map<number, ContainerFactory>();
  const bar = new SingleBar({
    format: '{bar} {value}/{total} {eta_formatted} left  {point}',
    clearOnComplete: true,
    stream: process.stderr,
  });
  try {
    const [node] = platform.nodes;
    if (node === undefined) throw new PluginError('ERR_INTERNAL', 'the platform has no node');
    const env = environmentWith();
    const factoryFor = (cpu: number): ContainerFactory => {
      const known = factories.get(cpu);
      if (known !== undefined) return known;
      const factory = new ProcessFactory({
        command: [...pinned(cpu), process.execPath, ...START_ARGUMENTS],
        workPath: join(node.privatePath, `p${cpu}`),
        daemonSocketPath: node.socketPath,
        modelRoots: [dirname(path)],
        path: env['PATH'] ?? '',
      });
      factories.set(cpu, factory);
      return factory;
    };
    bar.start(1, 0, { point: 'starting' });
    const result = await profileModel({
      path,
      model: path,
      space,
      archive: new FileArchive(flags.archive),
      onnxruntime: onnxruntimeVersion(),
      factoryFor,
      daemon: node.operator,
      dims: dimensions(flags.dim),
      rounds: one('rounds', flags.rounds),
      pointsMax: one('points', flags.points),
      memoryBytes,
      timeoutMs: one('timeout', flags.timeout),
      sampleMs: 50,
      signal: abort.signal,
      onProgress: ({ done, total, point }) => {
        bar.setTotal(total);
        bar.update(done, { point: pointName(point) });
      },
    });
    bar.stop();
    const report = { alpha: one('alpha', flags.alpha), ...(space.sloMs === undefined ? {} : { sloMs: space.sloMs }) };
    process.stdout.write(`${basename(path)}\n${terminalTable(result, report)}\n`);
    if (flags.json !== undefined) await writeFile(flags.json, JSON.stringify(result, null, 2));
    if (flags.html !== undefined) await writeFile(flags.html, htmlPage(result, report));
  } finally {
    bar.stop();
    await Promise.all([...factories.values()].map((factory) => factory.close()));
    await platform.stop();
  }
}

/** Read from its package, not from the library: that would load it into this process. */
function onnxruntimeVersion(): string {
  const text = readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

command()
  .action((model: string, flags: Flags) =>
    profile(model, flags).catch((error: unknown) => {
      process.stderr.write(`tetris-profile: ${errorMessage(error)}\n`);
      process.exitCode = 1;
    }),
  )
  .parse();
