/**
 * A rate that single instances do not serve on a node of two cores, which executions and starts share; nothing is known
 * before.
 */
import { Scaler } from '@tetris/invoker-extension';
import { fixedSeed, fractionsFrom } from '../../support/random';
import { arrivals, attained, type LoadOptions, SCALER_OPTIONS, underLoad } from '../../support/simulated-load';

const MB = 1024 ** 2;
const SLO_MS = 300;
const CORES = 2;
const RAMP_MS = 14_000;
const OPTIONS = { ...SCALER_OPTIONS, cores: CORES };

interface Model {
  /** Execution of one request; share of it that each further request in a batch adds; load of the model. */
  aloneMs: number;
  share: number;
  loadMs: number;
  /** Requests per second. */
  rate: number;
}

/** As measured with the functions of the bench's suite `sharing`. */
const MODELS: [string, Model][] = [
  ['text', { aloneMs: 13, share: 0.75, loadMs: 60, rate: 91 }],
  ['image', { aloneMs: 30, share: 0.6, loadMs: 350, rate: 53 }],
  ['transformer', { aloneMs: 13, share: 0.83, loadMs: 100, rate: 108 }],
  ['recurrent', { aloneMs: 21, share: 0.4, loadMs: 60, rate: 98 }],
];

const seed = fixedSeed();

it.each(MODELS)('%s: settles with few starts and then answers in time', async (_name, model) => {
  const { aloneMs, share, loadMs, rate } = model;
  const options: LoadOptions = {
    seed,
    scaler: new Scaler(OPTIONS),
    sloMs: SLO_MS,
    truth: ({ workers, batch }) => ({
      latencyMs: aloneMs * (1 + share * (batch - 1)),
      privateBytes: (60 + 20 * (workers - 1)) * MB,
    }),
    concurrency: 8,
    loadMs,
    cores: CORES,
    planMs: 1_000,
  };
  const rateAt = (nowMs: number): number => rate * Math.min(1, (1 + Math.floor((10 * nowMs) / RAMP_MS)) / 10);
  const times = arrivals(rateAt, 30_000, fractionsFrom(seed));
  const outcome = await underLoad(options, times, 40_000);
  expect(attained(outcome, SLO_MS, times.filter((atMs) => atMs < RAMP_MS).length)).toBeGreaterThan(0.98);
  expect(outcome.startsMs.length).toBeLessThanOrEqual(5);
});
