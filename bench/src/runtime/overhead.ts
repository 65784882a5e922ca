import { median, rounded } from '../measure/statistics';
import { buildModel } from '../models/built-model';
import { perceptron } from '../models/small-models';
import type { SuiteResult } from '../suite';
import { type Bench, startStock } from './bench';
import type { RunReport } from './instances';

const CALLS = 300;
const WARM_UP = 50;

/** Round trip of an activation with one run of a tiny model, less that run in a plain process. */
export async function overhead(bench: Bench): Promise<SuiteResult> {
  const { path } = await buildModel(perceptron('tiny'), bench.folder);
  const work = { model: path, shape: [64] };
  const stock = startStock(bench);
  const instance = await bench.instances.start();
  const roundTripMs: number[] = [];
  const sessionRunMs: number[] = [];
  for (let call = 0; call < CALLS + WARM_UP; call += 1) {
    const start = performance.now();
    const { runMs } = await instance.run(work);
    if (call < WARM_UP) continue;
    roundTripMs.push(performance.now() - start);
    sessionRunMs.push(...runMs);
  }
  const { runMs } = await stock.invoke<RunReport>({ ...work, runs: CALLS + WARM_UP });
  await Promise.all([stock.stop(), instance.stop()]);
  const plainMs = median(runMs.slice(WARM_UP));
  return {
    runtimeOverheadMs: rounded(median(roundTripMs) - plainMs),
    sessionRunOverheadMs: rounded(median(sessionRunMs) - plainMs),
    plainRunMs: rounded(plainMs),
  };
}
