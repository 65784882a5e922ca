/** Memory that one more instance takes of a model that is in the store, once it has answered some requests. */
import { setTimeout as delay } from 'node:timers/promises';
import { AT_REST_MS, processMemory, processTree } from '../measure/process-memory';
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

/** The instances of one model that live. */
interface Family {
  key: string;
  work: Work;
  instances: Instance[];
  pids: number[];
}

async function measure(bench: Bench, quick: boolean): Promise<Record<string, number>> {
  const families: Family[] = [];
  for (const [key, name] of Object.entries(KEYS)) {
    families.push({ key, work: await workOf(name, bench.folder, quick), instances: [], pids: [] });
  }
  for (let round = 0; round <= (quick ? 1 : ROUNDS); round += 1) {
    for (const family of families) await grow(bench, family, quick);
  }
  await delay(quick ? 0 : AT_REST_MS);
  const figures = families.map(({ key, pids }) => [key, rounded(megabytes(nextBytes(bench, pids)), 1)]);
  for (const { instances } of families) await Promise.all(instances.map((instance) => instance.stop()));
  return Object.fromEntries(figures) as Record<string, number>;
}

async function grow({ instances }: Bench, { work, ...family }: Family, quick: boolean): Promise<void> {
  const instance = await instances.start({ room: 1 });
  family.instances.push(instance);
  const { pid } = await instance.run({ ...work, runs: quick ? 1 : RUNS });
  family.pids.push(pid);
}

/** What an instance has for itself; the first of a family, which prepared the model, is not counted. */
const nextBytes = ({ storePath }: Bench, pids: readonly number[]): number =>
  median(pids.slice(1).map((pid) => processMemory(processTree(pid), storePath).uniqueBytes));

export const nextInstance: FigureGroup = { keys: Object.keys(KEYS), measure };
