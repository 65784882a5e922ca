/** Memory of one more instance of a model that is in the store, once it has answered some requests. */
import { setTimeout as delay } from 'node:timers/promises';
import { processMemory, processTree } from '../measure/process-memory';
import { median, megabytes, rounded } from '../measure/statistics';
import type { Bench } from '../runtime/bench';
import type { Instance } from '../runtime/instances';
import type { FigureGroup } from './figure-group';
import { type ServedName, type Work, workOf } from './served-models';

const KEYS = {
  nextInstanceMb: 'bert',
  nextInstanceMbVgg16: 'vgg16',
  nextInstanceMbResnet50: 'resnet50',
} as const satisfies Record<string, ServedName>;

const RUNS = 20;
/** Instances after the first, one after the other in turns of the models. */
const ROUNDS = 3;
/** Time for garbage collectors and allocators to come to rest. */
const SETTLE_MS = 1000;

/** The instances of one model that live. */
interface Family {
  key: string;
  work: Work;
  pids: number[];
  instances: Instance[];
  /** By which each further instance has made the family grow, bytes. */
  growths: number[];
}

async function measure(bench: Bench, quick: boolean): Promise<Record<string, number>> {
  const families: Family[] = [];
  for (const [key, name] of Object.entries(KEYS)) {
    const work = await workOf(name, bench.folder, quick);
    families.push({ key, work, pids: [], instances: [], growths: [] });
  }
  for (let round = 0; round <= (quick ? 1 : ROUNDS); round += 1) {
    for (const family of families) await grow(bench, family, families, quick);
  }
  for (const { instances } of families) await Promise.all(instances.map((instance) => instance.stop()));
  return Object.fromEntries(families.map(({ key, growths }) => [key, rounded(megabytes(median(growths)), 1)]));
}

/**
 * The first of a family prepares the model; it is not counted. All families are looked at: code that all of them map
 * counts in proportion, so that one more in one of them takes some of the others' share.
 */
async function grow(bench: Bench, family: Family, families: readonly Family[], quick: boolean): Promise<void> {
  const before = ownBytes(bench, families);
  const instance = await bench.instances.start({ room: 1 });
  family.instances.push(instance);
  const { pid } = await instance.run({ ...family.work, runs: quick ? 1 : RUNS });
  family.pids.push(pid);
  await delay(SETTLE_MS);
  if (family.pids.length > 1) family.growths.push(ownBytes(bench, families) - before);
}

/** Without the view: the store counts by itself, once. */
const ownBytes = ({ storePath }: Bench, families: readonly Family[]): number =>
  processMemory(
    families.flatMap(({ pids }) => pids.flatMap((pid) => processTree(pid))),
    storePath,
  ).ownBytes;

export const nextInstance: FigureGroup = { keys: Object.keys(KEYS), measure };
