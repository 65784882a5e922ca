/** Instances of an action with an objective: real processes, planned shapes, no profile beforehand. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ProcessFactory } from '@tetris/invoker-extension';
import { aMessage, aStoredAction } from '../support/invoker';
import { InvokerBench } from '../support/invoker-bench';
import { until } from '../support/until';

const RUNTIME = resolve(__dirname, '../support/plain-runtime.cjs');
const SLO_MS = 500;
const RUN_MS = 40;

/** Says what its instance was told at `/init`, and how many activations it had at once. */
const CODE = `
let inside = 0;
async function main() {
  inside += 1;
  const together = inside;
  await new Promise((resolve) => setTimeout(resolve, ${RUN_MS}));
  inside -= 1;
  return { pid: process.pid, together, settings: JSON.parse(process.env.TEST_INIT).tetris };
}`;

interface Answer {
  pid: number;
  together: number;
  settings: { workers: number; threads: number; batch: number; batchWaitMs: number; sloMs: number };
}

const folder = mkdtempSync(join(tmpdir(), 'inv-'));
let subject: InvokerBench;

beforeAll(async () => {
  subject = new InvokerBench({
    factory: new ProcessFactory({
      command: [process.execPath, RUNTIME],
      workPath: join(folder, 'w'),
      path: process.env.PATH ?? '',
    }),
    actions: [
      aStoredAction({
        exec: { kind: 'nodejs:tetris', code: CODE, binary: false },
        annotations: [
          { key: 'tetris-slo', value: SLO_MS },
          { key: 'provide-api-key', value: false },
        ],
        limits: { timeout: 10_000, memory: 128, logs: 1, concurrency: 1 },
      }),
    ],
    config: {
      memory: '4g',
      logWaitMs: 2000,
      keepAliveMs: 2_000,
      rateMs: 250,
      planMs: 500,
      scaleCores: 16,
      stemCells: 'nodejs:tetris@128m=1',
    },
  });
  await subject.start();
});

afterAll(async () => {
  await subject.extension.stop();
  rmSync(folder, { recursive: true, force: true });
});

const answers = (): Answer[] => subject.records.map(({ response }) => response.result as Answer);

const shapeOf = ({ settings: { workers, threads, batch } }: Answer): string => `p=${workers} t=${threads} b=${batch}`;

/** The same of a sample of the metric. */
const shapeIn = (line: string): string =>
  line.replace(/.*\{workers="(\d+)",threads="(\d+)",batch="(\d+)"\}.*/, 'p=$1 t=$2 b=$3');

async function metric(line: RegExp): Promise<string[]> {
  subject.extension.status();
  const text = await subject.extension.metrics.metrics();
  return text.split('\n').filter((each) => line.test(each));
}

it('start in the default shape, and in planned ones once executions were seen', async () => {
  let sent = 0;
  const shapes = (): Set<string> => new Set(answers().map(shapeOf));
  await until(async () => {
    // More and more: the first instances would go on serving what they can serve.
    const together = 4 + Math.floor(sent / 100);
    await subject.send(...Array.from({ length: together }, () => aMessage()));
    sent += together;
    await new Promise((wait) => setTimeout(wait, 25));
    return answers().some(({ settings: { workers, batch } }) => workers * batch > 1);
  }, 'an instance of a planned shape answers');
  await subject.freed(sent);
  expect(shapes()).toContain('p=1 t=1 b=1');
  for (const { settings, together } of answers()) {
    // The whole of it: what the way takes is in the time at which each answer is due.
    expect(settings.sloMs).toBe(SLO_MS);
    // The next batch gathers while one is executed.
    expect(together).toBeLessThanOrEqual(2 * settings.workers * settings.batch);
    // A batch waits for at most the objective less its execution, and that of the one before it has to fit in as well.
    if (settings.batch > 1) expect(settings.batchWaitMs).toBeGreaterThanOrEqual(RUN_MS);
    expect(settings.batchWaitMs).toBeLessThan(SLO_MS);
  }
  expect(subject.records.every(({ response }) => response.statusCode === 0)).toBe(true);

  const planned = [...shapes()].filter((shape) => shape !== 'p=1 t=1 b=1');
  const shown = await metric(/^tetris_invoker_shaped_instances\{/);
  expect(shown.some((line) => planned.includes(shapeIn(line)))).toBe(true);
  const [warm] = subject.extension.status().warm;
  expect(warm?.capacity).toBeGreaterThan(1);
});

it('are gone when nobody asks any more, and a stem cell waits for the next one', async () => {
  await until(() => subject.extension.status().warm.length === 0, 'no instance lives');
  await until(async () => (await metric(/^tetris_invoker_shaped_instances\{/)).length === 0, 'all have ended');
  await until(async () => (await metric(/^tetris_invoker_stem_cells 1$/)).length === 1, 'a stem cell waits');
  const before = subject.records.length;
  await subject.send(aMessage());
  await until(() => subject.records.length === before + 1);
  expect(subject.records.at(-1)?.response.statusCode).toBe(0);
});
