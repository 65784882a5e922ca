/** A first answer of an instance and of a plain process, stage by stage. */
import { StockProcess } from '../measure/stock-process';
import { ACTION_PATH, type Bench } from '../runtime/bench';
import type { Instance, RunReport } from '../runtime/instances';

export interface FirstAnswer {
  /** From the wish for an instance to its answer, ms. */
  answerMs: number;
  /** What the stages have taken, ms: `container`, `init` and `firstRun` by requests, the rest as the instance says. */
  stages: Record<string, number>;
  report: RunReport;
}

/** @param start the instance, which is ended afterwards */
export async function firstAnswer(bench: Bench, work: object, start: () => Promise<Instance>): Promise<FirstAnswer> {
  const startMs = performance.now();
  const instance = await start();
  try {
    const createdMs = performance.now();
    await bench.instances.initialize(instance, { room: 1 });
    const initializedMs = performance.now();
    const report = await instance.run(work);
    const endMs = performance.now();
    const requests = {
      container: createdMs - startMs,
      init: initializedMs - createdMs,
      firstRun: endMs - initializedMs,
    };
    return { answerMs: endMs - startMs, stages: { ...requests, ...instance.stages }, report };
  } finally {
    await instance.stop();
  }
}

/** The same of a plain process: `container` until its first line runs, `init` until the action is there. */
export async function stockFirstAnswer(work: object): Promise<FirstAnswer> {
  const startMs = performance.now();
  const stock = new StockProcess(ACTION_PATH, {}, { answerTimeoutMs: 300_000 });
  try {
    const report = await stock.invoke<RunReport>(work);
    const answerMs = performance.now() - startMs;
    const init = stock.started?.requiredMs ?? NaN;
    const firstRun = report.loadMs + (report.runMs[0] ?? NaN);
    return { answerMs, stages: { container: answerMs - init - firstRun, init, firstRun }, report };
  } finally {
    await stock.stop();
  }
}
