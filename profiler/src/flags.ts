/** What `tetris-profile` is asked for on the command line. */
import { readFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { errorMessage, parseBytes, PluginError } from '@tetris/common';
import { GRAPH_VARIANTS, type GraphVariant } from '@tetris/invoker-extension';
import { Command } from 'commander';
import { z } from 'zod';
import type { GivenInput } from './profile-action';
import type { SweepSpace } from './sweep';

export interface Flags {
  slo?: string;
  variants: string;
  batches: string;
  workers: string;
  threads: string;
  cpus?: string;
  dim?: string[];
  inputs?: string;
  rounds: string;
  points: string;
  memory: string;
  timeout: string;
  alpha: string;
  archive?: string;
  data?: string;
  storeUrl?: string;
  storePrefix?: string;
  json?: string;
  html?: string;
  int8?: string;
  fp16?: string;
  int4?: string;
}

export function command(): Command {
  return new Command('tetris-profile')
    .description(
      'Measures an ONNX model in every configuration of an instance, and chooses one for a latency objective. What is measured is kept: the same command goes on where it was stopped.',
    )
    .argument('<model>', 'ONNX file')
    .option('--slo <ms>', 'latency objective; hopeless configurations are given up early')
    .option('--json <file>', 'write the profile')
    .option('--html <file>', 'write one self-contained page with charts')
    .option('--int8 <file>', 'write the model with int8 weights')
    .option('--fp16 <file>', 'write the model with float16 weights')
    .option('--int4 <file>', 'write the model with 4-bit weights')
    .optionsGroup('What is measured:')
    .option('--variants <list>', `forms of the graph: ${GRAPH_VARIANTS.join(',')}`, 'plain,optimized,int8')
    .option('--batches <list>', 'requests in one execution', '1,2,4,8')
    .option('--workers <list>', 'inference workers of an instance', '1,2')
    .option('--threads <list>', 'threads of a worker', '1,2')
    .option('--cpus <list>', 'cores that an instance may use (default: 1 and all)')
    .option(
      '--dim <name=size>',
      'size of a symbolic dimension other than the batch (default: 1); once for each',
      (pair: string, earlier: string[] = []) => [...earlier, pair],
    )
    .option('--inputs <file>', 'JSON of one request: {"name": {"dims": [1, 3], "data": [0, 1, 2]}}')
    .option('--rounds <count>', 'batches timed by each worker', '20')
    .option('--points <count>', 'measure at most so many configurations, estimate the rest', '64')
    .option('--memory <list>', 'memory limits of an instance, tried from the least on', '128m,256m,512m,1g,2g')
    .option('--timeout <ms>', 'longest time for one configuration', '120000')
    .option('--alpha <MB>', 'memory that one core is worth, for the choice', '64')
    .optionsGroup('Where profiles are kept (default: .cache/tetris-profiles in the home folder):')
    .option('--archive <folder>', 'in a folder')
    .option('--data <folder>', 'in the data folder of `npm start -- --data`, running or not')
    .option('--store-url <url>', "in a cluster's CouchDB: http://user:password@host:5984")
    .option('--store-prefix <text>', "prefix of its databases' names (default: whisk_local_)");
}

const invalid = (text: string): PluginError => new PluginError('ERR_CONFIG_INVALID', text);

/** @throws PluginError `ERR_CONFIG_INVALID` that names the option and the value */
function numbers(option: string, text: string): number[] {
  const values = text.split(',').map(wholeNumber);
  if (values.includes(undefined)) throw invalid(`--${option} takes whole numbers from 1, with commas; got '${text}'`);
  return [...new Set(values as number[])].sort((one, other) => one - other);
}

export function one(option: string, text: string): number {
  const value = wholeNumber(text);
  if (value === undefined) throw invalid(`--${option} takes a whole number from 1; got '${text}'`);
  return value;
}

function wholeNumber(text: string): number | undefined {
  return /^\s*[1-9]\d{0,8}\s*$/.test(text) ? Number(text) : undefined;
}

export function spaceOf(flags: Flags): SweepSpace {
  const cores = cpus().length;
  const wanted = flags.cpus === undefined ? [...new Set([1, cores])] : numbers('cpus', flags.cpus);
  const tooMany = wanted.find((count) => count > cores);
  if (tooMany !== undefined) throw invalid(`--cpus asks for ${tooMany} cores; this machine has ${cores}`);
  const space: SweepSpace = {
    variants: variants(flags.variants),
    cpus: wanted,
    concurrencies: numbers('workers', flags.workers),
    threads: numbers('threads', flags.threads),
    batches: numbers('batches', flags.batches),
    memoryLimits: memoryLimits(flags),
    ...(flags.slo === undefined ? {} : { sloMs: one('slo', flags.slo) }),
  };
  const [workers = 1, threads = 1] = [space.concurrencies[0], space.threads[0]];
  const most = Math.max(...wanted);
  if (workers * threads > most) {
    throw invalid(
      `--workers ${flags.workers} with --threads ${flags.threads} needs more than the ${most} cores of --cpus`,
    );
  }
  return space;
}

function variants(text: string): GraphVariant[] {
  const names = text.split(',').map((name) => name.trim());
  const known = GRAPH_VARIANTS.filter((variant) => names.includes(variant));
  if (known.length === names.length) return known;
  throw invalid(`--variants takes ${GRAPH_VARIANTS.join(', ')}, with commas; got '${text}'`);
}

/** Below it no instance starts. */
const MEMORY_BYTES_MIN = 64 * 1024 ** 2;

function memoryLimits({ memory }: Flags): number[] {
  const sizes = memory.split(',').map(parseBytes);
  if (sizes.every((bytes) => bytes !== undefined && bytes >= MEMORY_BYTES_MIN)) {
    return [...new Set(sizes as number[])].sort((one, other) => one - other);
  }
  throw invalid(`--memory takes sizes such as 256m or 2g, at least 64m, with commas; got '${memory}'`);
}

export function alphaOf({ alpha }: Flags): number {
  const value = alpha.trim() === '' ? Number.NaN : Number(alpha);
  if (Number.isFinite(value) && value >= 0) return value;
  throw invalid(`--alpha takes a number of MB; got '${alpha}'`);
}

/** The inputs, and what tells them from others in the archive. */
export async function inputsOf(flags: Flags): Promise<{
  dims: Record<string, number>;
  given: Record<string, GivenInput>;
  name: string;
}> {
  const dims = Object.fromEntries((flags.dim ?? []).map(dimension).sort());
  const names = Object.entries(dims).map(([name, size]) => `${name}=${size}`);
  if (flags.inputs === undefined) return { dims, given: {}, name: names.join(' ') };
  const { given, digest } = await givenInputs(flags.inputs);
  return { dims, given, name: [...names, `file ${digest.slice(0, 12)}`].join(' ') };
}

function dimension(pair: string): [string, number] {
  const [, name, size] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
  if (name === undefined || size === undefined) throw invalid(`--dim takes name=size; got '${pair}'`);
  return [name, one('dim', size)];
}

const GivenSchema = z.record(
  z.string(),
  z.object({ dims: z.array(z.number().int().min(1)), data: z.array(z.number()) }),
);

/** They travel to every instance as JSON. */
const INPUTS_BYTES_MAX = 16 * 1024 ** 2;

async function givenInputs(path: string): Promise<{ given: Record<string, GivenInput>; digest: string }> {
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > INPUTS_BYTES_MAX) throw new RangeError(`more than ${INPUTS_BYTES_MAX} bytes`);
    const given = GivenSchema.parse(JSON.parse(text));
    return { given, digest: createHash('sha256').update(text).digest('hex') };
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : [];
    const reason = issue === undefined ? errorMessage(error) : `${issue.path.join('.')}: ${issue.message}`;
    throw invalid(`--inputs ${path}: ${reason}`);
  }
}
