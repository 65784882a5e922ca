/**
 * Memory of 1 to 30 instances of each model of the zoo, and of a mix of them, against what else there is: plain
 * processes, and plain processes whose weights are pages of one file.
 */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { freemem, tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { createProgress, type Progress } from '../demo/progress';
import { megabytes, rounded, sum } from '../measure/statistics';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { ZOO } from '../zoo/zoo';
import { type FleetInstance, type WithFleet, withStock, withTetris } from './fleet';
import { measureRows } from './rows';
import { type ServedModel, served, servedModel } from './served-model';

/** Instances at which memory is read. */
const COUNTS = [1, 2, 5, 10, 20, 30];
const QUICK = { models: ['textcnn', 'dssm'], counts: [1, 2, 3] };

/** The mix: models of all kinds, in turns. */
const MIX = ['textcnn', 'dssm', 'mobilenet-v2', 'resnet50', 'bert', 'vgg16'];

/** Runs of each instance before it counts: buffers have grown to their sizes by then. */
const RUNS = 3;
/** Time for garbage collectors and allocators to come to rest. */
const SETTLE_MS = 500;
/** Share of the free memory that an opponent may fill; what it would need beyond is extrapolated from its growth. */
const FREE_SHARE = 0.5;

/** Memory of some instances. */
export interface MemoryPoint {
  instances: number;
  mb: number;
  /** Not started, because the machine has no room: the last instances' growth goes on. */
  extrapolated?: true;
}

/** One model, or the mix, under every fleet. */
export interface MemoryRow {
  name: string;
  modelMb: number;
  /** Growth of the total by one more instance, mean over those after the first, MB. */
  nextInstanceMb: number;
  /** Of the stock total at the most instances, the share that is saved. */
  saved: number;
  fleets: Readonly<Record<string, MemoryPoint[]>>;
}

async function run(options: SuiteOptions): Promise<SuiteResult> {
  const { quick = false, only } = options;
  const names = only ?? (quick ? QUICK.models : [...Object.keys(ZOO), 'mix']);
  const counts = quick ? QUICK.counts : COUNTS;
  const progress = createProgress(3 * names.length, process.stderr);
  const result = await measureRows(names, options, (name) => measured(name, counts, progress), figuresOf);
  progress.stop();
  return result;
}

function figuresOf(rows: readonly MemoryRow[]): SuiteResult {
  const mix = rows.find((row) => row.name === 'mix');
  return {
    savedMax: Math.max(...rows.map(({ saved }) => saved)),
    savedMean: rounded(sum(rows.map(({ saved }) => saved)) / rows.length),
    ...(mix === undefined ? {} : { savedMix: mix.saved }),
    nextInstanceMb: Object.fromEntries(rows.map(({ name, nextInstanceMb }) => [name, nextInstanceMb])),
    rows,
  };
}

async function measured(name: string, counts: readonly number[], progress: Progress): Promise<MemoryRow> {
  const folder = await temporaryFolder(tmpdir());
  try {
    const models = await Promise.all((name === 'mix' ? MIX : [name]).map((each) => servedModel(each, folder)));
    const inPages = await Promise.all(models.map(({ name: each }) => external(each, folder)));
    const fleets: Record<string, MemoryPoint[]> = {};
    for (const [fleet, withFleet, own] of [
      ['tetris', withTetris(folder), models],
      ['stock', withStock(), models],
      ['pageCache', withStock(), inPages],
    ] as const) {
      progress.step(`${name}: ${fleet}`);
      fleets[fleet] = await grown(withFleet, own, counts);
    }
    return { ...rowOf(name, models, fleets), fleets };
  } finally {
    await removeFolder(folder);
  }
}

/** The same model with its weights in a file of their own, which onnxruntime maps. */
async function external(name: string, folder: string): Promise<ServedModel> {
  const definition = ZOO[name]?.define(`${name}-external`);
  if (definition === undefined) throw new RangeError(`the zoo has no ${name}`);
  return served(definition, folder, true);
}

/** Starts instances of the models in turns, one after the other, and reads the memory at each count. */
async function grown(
  withFleet: WithFleet,
  models: readonly ServedModel[],
  counts: readonly number[],
): Promise<MemoryPoint[]> {
  const room = FREE_SHARE * freemem();
  return withFleet(async (fleet) => {
    const instances: FleetInstance[] = [];
    const points: { instances: number; bytes: number }[] = [];
    for (const count of counts) {
      if (bytesAt(points, count) > room) break;
      while (instances.length < count) {
        const instance = await fleet.start(models[instances.length % models.length] as ServedModel);
        await instance.run({ seed: instances.push(instance), runs: RUNS });
      }
      await delay(SETTLE_MS);
      points.push({ instances: count, bytes: await fleet.memoryBytes() });
    }
    return counts.map((count) => pointAt(points, count));
  });
}

function pointAt(points: readonly { instances: number; bytes: number }[], count: number): MemoryPoint {
  const known = points.find(({ instances }) => instances === count);
  const mb = rounded(megabytes(known?.bytes ?? bytesAt(points, count)), 1);
  return { instances: count, mb, ...(known === undefined ? { extrapolated: true } : {}) };
}

/** What so many instances would need if growth goes on as it did; 0 before the first is known. */
function bytesAt(points: readonly { instances: number; bytes: number }[], count: number): number {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const span = last.instances - first.instances;
  // Of one instance nothing is known but its own bytes.
  const each = span === 0 ? last.bytes / last.instances : (last.bytes - first.bytes) / span;
  return last.bytes + (count - last.instances) * each;
}

function rowOf(
  name: string,
  models: readonly ServedModel[],
  fleets: Readonly<Record<string, MemoryPoint[]>>,
): Omit<MemoryRow, 'fleets'> {
  const last = (fleet: string): MemoryPoint => fleets[fleet]?.at(-1) ?? { instances: 0, mb: NaN };
  // Only from where each model of the mix has its first instance is the next one one more of the same.
  const from = fleets['tetris']?.find(({ instances }) => instances >= models.length) ?? last('tetris');
  const more = last('tetris').instances - from.instances;
  return {
    name,
    modelMb: rounded(megabytes(sum(models.map(({ bytes }) => bytes))), 1),
    nextInstanceMb: rounded((last('tetris').mb - from.mb) / more, 1),
    saved: rounded(1 - last('tetris').mb / last('stock').mb),
  };
}

export const suite: Suite = { run };
