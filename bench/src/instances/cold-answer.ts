/** First answer of a new instance with a warm store, from nothing and from a stem cell, over a plain process's. */
import { hashFile } from '@tetris/common';
import { setTimeout as delay } from 'node:timers/promises';
import { median, rounded } from '../measure/statistics';
import { buildModel } from '../models/built-model';
import { transformer } from '../models/transformer';
import type { Bench } from '../runtime/bench';
import type { Instance } from '../runtime/instances';
import type { SuiteResult } from '../suite';
import type { FigureGroup } from './figure-group';
import { type FirstAnswer, firstAnswer, stockFirstAnswer } from './first-answer';
import type { Work } from './served-models';

const ROUNDS = 9;
/** A stem cell has been there for a while when it is wanted. */
export const STEM_MS = 1000;
/** Large models answer before their weights are packed. */
export const QUICKLY = { TETRIS_RUNTIME_QUICK_BYTES_MIN: '128m' };

/** Times from the wish for an instance to its answer, and their stages, ms. */
interface Times {
  answerMs: number[];
  stages: Record<string, number>[];
}

async function measure(bench: Bench, quick: boolean): Promise<SuiteResult> {
  const work = await coldWork(bench, quick);
  // Since its first instance has loaded it, the invoker knows what the action loads.
  const models = [await hashFile(work.model)];
  // Fills the store.
  await (await bench.instances.start({ room: 1 }, QUICKLY)).run(work);
  const stock: number[] = [];
  const cold: Times = { answerMs: [], stages: [] };
  const stem: Times = { answerMs: [], stages: [] };
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
    stock.push((await stockFirstAnswer(work)).answerMs);
    keep(cold, await firstAnswer(bench, work, () => bench.instances.create(QUICKLY, models)));
    const cell = await bench.instances.create(QUICKLY);
    await delay(STEM_MS);
    const assigned = async (): Promise<Instance> => {
      await bench.instances.expect(cell, models);
      return cell;
    };
    keep(stem, await firstAnswer(bench, work, assigned));
  }
  const over = ({ answerMs }: Times): number => rounded(median(answerMs) / median(stock));
  return {
    coldAnswerRatio: over(cold),
    stemAnswerRatio: over(stem),
    coldAnswerMs: rounded(median(cold.answerMs), 1),
    stemAnswerMs: rounded(median(stem.answerMs), 1),
    stockColdAnswerMs: rounded(median(stock), 1),
    coldStagesMs: mediansOf(cold.stages),
    stemStagesMs: mediansOf(stem.stages),
  };
}

function keep(times: Times, { answerMs, stages }: FirstAnswer): void {
  times.answerMs.push(answerMs);
  times.stages.push(stages);
}

/** A transformer of BERT base's size, with a short input. */
export async function coldWork({ folder }: Bench, quick: boolean): Promise<Work> {
  const size = quick ? { layers: 1, hidden: 64, heads: 4 } : {};
  const { path } = await buildModel(transformer('cold', { ...size, sequence: 'sequence' }), folder);
  return { model: path, shape: [32, quick ? 64 : 768] };
}

/** `init` and `firstRun` are what the requests took, the rest what the instance says of itself. */
export function mediansOf(samples: readonly Record<string, number>[]): Record<string, number> {
  const names = new Set(samples.flatMap((sample) => Object.keys(sample)));
  return Object.fromEntries(
    [...names].map((name) => [name, rounded(median(samples.flatMap((sample) => sample[name] ?? [])), 1)]),
  );
}

export const coldAnswer: FigureGroup = { keys: ['coldAnswerRatio', 'stemAnswerRatio'], measure };
