/** Runs a sweep to its end: measures what is left, keeps every row at once, fills in estimates. */
import { cpus, totalmem } from 'node:os';
import { errorMessage } from '@tetris/common';
import {
  CONVERSIONS,
  type GraphVariant,
  isConversion,
  isSameSubject,
  type Measurement,
  type ModelProfile,
  mostPromising,
  pointName,
  type ProfileArchive,
  type ProfileEntry,
  type ProfilePoint,
} from '@tetris/invoker-extension';
import { compareConversions, possible } from './conversions';
import { convertedProfile } from './converted-profile';
import { estimate } from './estimate';
import { identify } from './identify';
import { MemoryExceeded } from './instance';
import { measure, type MeasureOptions } from './measure';
import type { PreparedModel } from './prepare';
import type { InputOptions } from './profile-action';
import { mebibytes } from './summary';
import { limitsFor, pointsOf, remaining, type SweepSpace } from './sweep';

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

/** Profiles a model; resumes where an earlier run stopped, and returns at once when there is nothing left. */
export async function profileModel(
  options: ProfileModelOptions,
): Promise<{ profile: ModelProfile; measured: number; left: number }> {
  const { pointsMax, signal } = options;
  const keep = keeper(options);
  const loaded = new Set<GraphVariant>();
  const profile = await startingPoint(options);
  const space = await possible(options.space, profile, options.prepare);
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
  const instance = { ...options, memoryBytes: mostMemory(options) };
  const conversions = await compareConversions(profile, { ...options, instance });
  const entries = withoutEstimates(profile.entries);
  const left = remaining(space, entries);
  const finished = { ...profile, conversions, entries: [...entries, ...estimate(entries, left)] };
  await keep(finished);
  for (const form of CONVERSIONS) {
    const converted = convertedProfile(finished, form);
    if (converted !== undefined) await keep(converted);
  }
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

/** The first measurement of a variant is preceded by one that brings the model into the store. */
async function tryPoint(
  point: ProfilePoint,
  profile: ModelProfile,
  loaded: Set<GraphVariant>,
  options: ProfileModelOptions,
): Promise<ProfileEntry> {
  const { vocabularies, conversions } = await options.prepare();
  try {
    const common = { ...options, inputs: { ...options.inputs, vocabularies }, memoryBytes: mostMemory(options) };
    const { variant } = point;
    const path = isConversion(variant) ? (conversions[variant]?.path ?? '') : options.path;
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
    conversions: {},
    entries: [],
  };
  const known = (await archive.load(sha256, bytes)).find((profile) => isSameSubject(profile, fresh));
  return known === undefined ? fresh : { ...known, name };
}

const withoutEstimates = (entries: readonly ProfileEntry[]): ProfileEntry[] =>
  entries.filter(({ source }) => source !== 'estimated');
