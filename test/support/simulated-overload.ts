/**
 * One function on a node in simulated time, asked for more than it can answer: two workers that execute batches on two
 * processors, which a neighbour takes one of now and then, and who hands on to them.
 */
import { Draws } from '../../bench/src/simulation/draws';
import { Events } from '../../bench/src/simulation/events';
import { Processors } from '../../bench/src/simulation/processors';
import type { Answered, InFlightLimit } from '../../load-balancer/src/fleet/in-flight-limit';

export interface SimulatedFunction {
  /** Processor time of a batch, and of each request in it, ms. */
  batchMs: number;
  requestMs: number;
  /** What comes, requests a second. */
  perSecond: number;
}

/** How many may be in flight. */
export type Policy = Pick<InFlightLimit, 'of' | 'answered'>;

type Handed = Omit<Answered, 'answeredMs'>;

const OBJECTIVE_MS = 300;
const WORKERS = 2;
const BATCH_MAX = 8;
/** What an instance has places for. */
const PLACES = 20;
/** Waiting for a place, the newest first; the oldest gives way. */
const WAITING_MAX = 10;
const WAY_MS = 8;
/** An execution varies, and one in fifty takes three times as long. */
const SIGMA = 0.25;
const OUTLIERS = 0.02;
const BURST_MS = { min: 1_000, max: 10_000 };

/** @returns answers in time a second */
export async function goodput(
  { batchMs, requestMs, perSecond }: SimulatedFunction,
  policy: Policy,
  { neighbour, seconds, seed }: { neighbour: boolean; seconds: number; seed: number },
): Promise<number> {
  const draws = new Draws(seed);
  const events = new Events();
  const processors = new Processors(events, WORKERS);
  const waiting: number[] = [];
  const queue: Handed[] = [];
  let inFlight = 0;
  let free = WORKERS;
  let good = 0;

  const answer = (handed: Handed): void => {
    inFlight -= 1;
    if (events.nowMs <= handed.dueMs) good += 1;
    policy.answered({ ...handed, answeredMs: events.nowMs });
    handOn();
  };
  const execute = (): void => {
    while (free > 0 && queue.length > 0) {
      const batch = queue.splice(0, BATCH_MAX);
      const outlier = draws.chance(OUTLIERS) ? 3 : 1;
      free -= 1;
      processors.run(draws.logNormal(batchMs + requestMs * batch.length, SIGMA) * outlier, 1, () => {
        free += 1;
        for (const handed of batch) events.after(draws.exponential(WAY_MS), () => answer(handed));
        execute();
      });
    }
  };
  const handOn = (): void => {
    for (let dueMs = waiting.at(-1); dueMs !== undefined; dueMs = waiting.at(-1)) {
      const leftMs = dueMs - events.nowMs;
      const limit = Math.min(PLACES, policy.of(leftMs) ?? PLACES / 2);
      if (leftMs > 0 && inFlight >= 1 && inFlight + 1 > limit) return;
      waiting.pop();
      if (leftMs <= 0) continue;
      inFlight += 1;
      const handed = { inFlight, sentMs: events.nowMs, dueMs };
      events.after(draws.exponential(WAY_MS), () => {
        queue.push(handed);
        execute();
      });
    }
  };
  const arrive = (): void => {
    waiting.push(events.nowMs + OBJECTIVE_MS);
    if (waiting.length > WAITING_MAX) waiting.shift();
    handOn();
    events.after(draws.exponential(1_000 / perSecond), arrive);
  };
  const turn = (threads: number): void => {
    processors.neighbour = threads;
    events.after(draws.between(BURST_MS.min, BURST_MS.max), () => turn(1 - threads));
  };
  if (neighbour) turn(0);
  arrive();
  await events.run(1_000 * seconds);
  return good / seconds;
}
