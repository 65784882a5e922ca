/** Runs a sweep to its end: measures what is left, keeps every row at once, fills in estimates. */
import { stat } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { errorMessage, hashFile } from '@tetris/common';
import {
  type GraphVariant,
  isSameSubject,
  type Measurement,
  type ModelProfile,
  mostPromising,
  pointName,
  type ProfileArchive,
  type ProfileEntry,
  type ProfilePoint,
  type Quantization,
} from '@tetris/invoker-extension';
import { compareModels } from './compare';
import { estimate } from './estimate';
import { MemoryExceeded } from './instance';
import { int8Profile } from './int8-profile';
import { measure, type MeasureOptions } from './measure';
import type { InputOptions } from './profile-action';
import { mebibytes } from './summary';
import { limitsFor, pointsOf, remaining, type SweepSpace } from './sweep';

/** What a look into the model has found. */
export interface PreparedModel {
  vocabularies: InputOptions['vocabularies'];
  /** The model with int8 weights, where there is anything to quantize. */
  int8Path?: string;
  /** What became of its weights; absent where no int8 variant was asked for. */
  quantized?: Pick<Quantization, 'operators' | 'bytesBefore' | 'bytesAfter' | 'skipped'>;
}

export interface ProfileModelOptions extends Omit<MeasureOptions, 'inputs' | 'memoryBytes'> {
  /** Path of the model, here and in instances. */
  path: string;
  /** What people call it. @default its path */
  name?: string;
  inputs: Omit<InputOptions, 'vocabularies'>;
  /** Asked before the first measurement, with as many callers as there are: what is in the archive needs none. */
  prepare: () => Promise<PreparedModel>;
  space: SweepSpace;
  /** What tells its inputs from others, see {@link ModelProfile.inputs}. */
  inputsName: string;
  archive: ProfileArchive;
  /** Version of onnxruntime that the instances use. */
  onnxruntime: string;
  /**
   * Stop after this many measured configurations; the rest is estimated. A few more are measured where an estimate would
   * be the best of all.
   */
  pointsMax: number;
  /** MB that one core is worth, for that. */
  alpha: number;
  /** Called before each configuration: `done` of `total` are known. */
  onProgress: (progress: { done: number; total: number; point: ProfilePoint }) => void;
  /** Called once where the archive does not take the rows; the sweep goes on. */
  onUnkept: (reason: string) => void;
}

/** Requests that the two models of a comparison answer. */
const COMPARED = 16;

/** Profiles a model; resumes where an earlier run stopped, and returns at once when there is nothing left. */
export async function profileModel(
  options: ProfileModelOptions,
): Promise<{ profile: ModelProfile; measured: number; left: number }> {
  const { pointsMax, signal } = options;
  const keep = keeper(options);
  const loaded = new Set<GraphVariant>();
  const profile = await startingPoint(options);
  const space = await possible(options.space, profile, options);
  let measured = 0;
  while (!signal.aborted) {
    const left = remaining(space, profile.entries);
    const point = measured < pointsMax ? left[0] : promising(profile.entries, left, measured - pointsMax, options);
    if (point === undefined) break;
    const total = Math.max(measured + 1, Math.min(pointsMax, measured + left.length));
    options.onProgress({ done: measured, total, point });
    const entry = await tryPoint(point, profile, loaded, options);
    if (signal.aborted && entry.source === 'failed') break;
    const others = profile.entries.filter((other) => pointName(other.point) !== pointName(point));
    profile.entries = [...withoutEstimates(others), entry];
    measured += 1;
    await keep(profile);
  }
  const int8 = await quantization(profile, options);
  const entries = withoutEstimates(profile.entries);
  const left = remaining(space, entries);
  const finished = { ...profile, ...int8, entries: [...entries, ...estimate(entries, left)] };
  await keep(finished);
  const quantized = int8Profile(finished);
  if (quantized !== undefined) await keep(quantized);
  // Rows of an earlier, wider sweep stay in the archive; this report is about what was asked.
  const asked = new Set(pointsOf(space).map(pointName));
  const report = { ...finished, entries: finished.entries.filter(({ point }) => asked.has(pointName(point))) };
  return { profile: report, measured, left: left.length };
}

/** Estimates that are measured beyond what was asked for, because each would have been the choice. */
const SURPRISES_MAX = 4;

/** What to measure because it is estimated to be better than all that was measured. */
function promising(
  entries: readonly ProfileEntry[],
  left: readonly ProfilePoint[],
  beyond: number,
  { space: { sloMs }, alpha }: ProfileModelOptions,
): ProfilePoint | undefined {
  if (sloMs === undefined || beyond >= SURPRISES_MAX) return undefined;
  const known = withoutEstimates(entries);
  return mostPromising([...known, ...estimate(known, left)], sloMs, alpha);
}

/** Without the int8 variant where there is nothing to quantize. */
async function possible(
  space: SweepSpace,
  profile: ModelProfile,
  { prepare }: ProfileModelOptions,
): Promise<SweepSpace> {
  if (!space.variants.includes('int8')) return space;
  const { quantized } = profile.int8 === undefined ? await prepare() : { quantized: profile.int8 };
  if (quantized === undefined || quantized.operators > 0) return space;
  return { ...space, variants: space.variants.filter((variant) => variant !== 'int8') };
}

/** The first measurement of a variant is preceded by one that brings the model into the store. */
async function tryPoint(
  point: ProfilePoint,
  profile: ModelProfile,
  loaded: Set<GraphVariant>,
  options: ProfileModelOptions,
): Promise<ProfileEntry> {
  const { vocabularies, int8Path } = await options.prepare();
  try {
    const common = { ...options, inputs: { ...options.inputs, vocabularies }, memoryBytes: mostMemory(options) };
    const { variant } = point;
    const path = variant === 'int8' ? (int8Path ?? '') : options.path;
    if (!loaded.has(variant)) {
      const smallest = { ...point, concurrency: 1, threads: 1, batch: 1 };
      const { measurement, tensorBytes } = await measure(smallest, path, { ...common, rounds: 1 });
      loaded.add(variant);
      profile.tensorBytes = { ...profile.tensorBytes, [variant]: tensorBytes };
      profile.firstLoadMs = { ...profile.firstLoadMs, [variant]: measurement.loadMs };
    }
    const measurement = await measureInLeast(limitsFor(point, options.space, profile.entries), (memoryBytes) =>
      measure(point, path, { ...common, memoryBytes }),
    );
    return { source: 'measured', point, measurement };
  } catch (error) {
    if (!(error instanceof MemoryExceeded)) return { source: 'failed', point, reason: errorMessage(error) };
    const limitBytes = mostMemory(options);
    const reason = `${errorMessage(error)} of ${Math.floor(mebibytes(limitBytes))} MiB`;
    return { source: 'failed', point, reason, limitBytes };
  }
}

const mostMemory = ({ space: { memoryLimits } }: Pick<ProfileModelOptions, 'space'>): number =>
  Math.max(...memoryLimits);

/** In the first limit that holds the instance. @throws what the last one throws, or what is not for want of memory */
async function measureInLeast(
  [least = 0, ...more]: readonly number[],
  attempt: (memoryBytes: number) => ReturnType<typeof measure>,
): Promise<Measurement> {
  try {
    return (await attempt(least)).measurement;
  } catch (error) {
    if (!(error instanceof MemoryExceeded) || more.length === 0) throw error;
    return measureInLeast(more, attempt);
  }
}

/** What is known of the int8 variant. Compared once; a comparison that failed is tried again. */
async function quantization(profile: ModelProfile, options: ProfileModelOptions): Promise<Pick<ModelProfile, 'int8'>> {
  const { int8 } = profile;
  const isCompared = int8?.file !== undefined && int8.deviations.length > 0;
  const isDone = int8?.operators === 0 || isCompared;
  if (isDone || !options.space.variants.includes('int8')) return int8 === undefined ? {} : { int8 };
  const { quantized, int8Path, vocabularies } = await options.prepare();
  if (quantized === undefined) return {};
  const file = int8Path === undefined ? {} : { file: await identify(int8Path) };
  const fresh: Quantization = { ...quantized, ...file, deviations: [], samples: 0 };
  if (int8Path === undefined || options.signal.aborted) return { int8: fresh };
  try {
    const models = { model: options.path, other: int8Path, samples: COMPARED };
    const deviations = await compareModels(
      models,
      { ...options.inputs, vocabularies },
      {
        ...options,
        memoryBytes: mostMemory(options),
      },
    );
    return { int8: { ...fresh, deviations, samples: COMPARED } };
  } catch (error) {
    return { int8: { ...fresh, ...(options.signal.aborted ? {} : { reason: errorMessage(error) }) } };
  }
}

/** Keeps rows in the archive. Rows that took minutes to measure are not lost because a database is away. */
function keeper({ archive, onUnkept }: ProfileModelOptions): (profile: ModelProfile) => Promise<void> {
  let told = false;
  return async (profile) => {
    try {
      await archive.save(profile);
    } catch (error) {
      if (!told) onUnkept(errorMessage(error));
      told = true;
    }
  };
}

/** The archived profile, if it was made of such inputs on a machine like this one. */
async function startingPoint({
  path,
  name = path,
  archive,
  onnxruntime,
  inputsName,
}: ProfileModelOptions): Promise<ModelProfile> {
  const { sha256, bytes } = await identify(path);
  const [first] = cpus();
  const machine = {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.versions.node,
    onnxruntime,
  };
  const fresh = {
    sha256,
    bytes,
    name,
    machine,
    inputs: inputsName,
    tensorBytes: {},
    firstLoadMs: {},
    entries: [],
  };
  const known = (await archive.load(sha256, bytes)).find((profile) => isSameSubject(profile, fresh));
  return known === undefined ? fresh : { ...known, name };
}

/** What a model's file is known by. */
async function identify(path: string): Promise<{ sha256: string; bytes: number }> {
  const { size: bytes } = await stat(path);
  return { sha256: await hashFile(path), bytes };
}

const withoutEstimates = (entries: readonly ProfileEntry[]): ProfileEntry[] =>
  entries.filter(({ source }) => source !== 'estimated');
