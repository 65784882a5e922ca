/** Runs a sweep to its end: measures what is left, keeps every row at once, fills in estimates. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { errorMessage } from '@tetris/common';
import type { ProfileArchive } from './archive';
import { estimate } from './estimate';
import { measure, type MeasureOptions } from './measure';
import { type ModelProfile, pointName, type ProfileEntry, type ProfilePoint } from './result';
import { pointsOf, remaining, type SweepSpace } from './sweep';

export interface ProfileModelOptions extends MeasureOptions {
  /** Path of the model file here, for its identity. */
  path: string;
  space: SweepSpace;
  archive: ProfileArchive;
  /** Version of onnxruntime that the instances use. */
  onnxruntime: string;
  /** Stop after this many measured configurations; the rest is estimated. */
  pointsMax: number;
  /** Called before each configuration: `done` of `total` are known. */
  onProgress: (progress: { done: number; total: number; point: ProfilePoint }) => void;
  /** Ends the sweep after the configuration under way; what is measured is kept. */
  signal: AbortSignal;
}

/** Profiles a model; resumes where an earlier run stopped, and returns at once when there is nothing left. */
export async function profileModel(options: ProfileModelOptions): Promise<ModelProfile> {
  const { archive, space, pointsMax, signal } = options;
  const profile = await startingPoint(options);
  for (let count = 0; count < pointsMax && !signal.aborted; count += 1) {
    const left = remaining(space, profile.entries);
    const [point] = left;
    if (point === undefined) break;
    options.onProgress({ done: count, total: Math.min(pointsMax, count + left.length), point });
    profile.entries = [...withoutEstimates(profile.entries), await tryPoint(point, profile, options)];
    await archive.save(profile);
  }
  const entries = withoutEstimates(profile.entries);
  const finished = { ...profile, entries: [...entries, ...estimate(entries, remaining(space, entries))] };
  await archive.save(finished);
  // Rows of an earlier, wider sweep stay in the archive; this report is about what was asked.
  const asked = new Set(pointsOf(space).map(pointName));
  return { ...finished, entries: finished.entries.filter(({ point }) => asked.has(pointName(point))) };
}

async function tryPoint(point: ProfilePoint, profile: ModelProfile, options: MeasureOptions): Promise<ProfileEntry> {
  try {
    const { measurement, tensorBytes } = await measure(point, options);
    profile.tensorBytes = Math.max(profile.tensorBytes, tensorBytes);
    return { source: 'measured', point, measurement };
  } catch (error) {
    return { source: 'failed', point, reason: errorMessage(error) };
  }
}

/** The archived profile, if it was made on a machine like this one. */
async function startingPoint({ path, archive, onnxruntime }: ProfileModelOptions): Promise<ModelProfile> {
  const { size } = await stat(path);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  const sha256 = hash.digest('hex');
  const [first] = cpus();
  const machine = {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.versions.node,
    onnxruntime,
  };
  const known = await archive.load(sha256, size);
  if (known !== undefined && JSON.stringify(known.machine) === JSON.stringify(machine)) return { ...known, name: path };
  return { sha256, bytes: size, name: path, machine, tensorBytes: 0, entries: [] };
}

const withoutEstimates = (entries: readonly ProfileEntry[]): ProfileEntry[] =>
  entries.filter(({ source }) => source !== 'estimated');
