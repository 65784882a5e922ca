/** Instances that give memory back while they are idle, and instances that grow: no request is lost by either. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { START_ARGUMENTS } from '@tetris/action-runtime';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import { ProcessFactory } from '@tetris/invoker-extension';
import { TestDaemon } from '../support/daemon';
import { aMessage, aStoredAction } from '../support/invoker';
import { InvokerBench } from '../support/invoker-bench';
import { randomFrom, testSeed } from '../support/random';

const MODEL_CODE = `
const ort = require('onnxruntime-node');
let session;
async function main({ model, seed }) {
  console.log('seed', seed);
  session ??= ort.InferenceSession.create(model);
  const ready = await session;
  const data = Float32Array.from({ length: 64 }, (_, index) => Math.sin(seed + index));
  const results = await ready.run({ [ready.inputNames[0]]: new ort.Tensor('float32', data, [1, 64]) });
  return { pid: process.pid, logits: Array.from(results[ready.outputNames[0]].data) };
}`;

const LEAKING_CODE = `
const kept = [];
function main({ mb }) {
  kept.push(Buffer.alloc(mb * 2 ** 20, 1));
  return { pid: process.pid };
}`;

const action = (name: string, code: string) =>
  aStoredAction({
    name,
    revision: `1-${name}`,
    exec: { kind: 'nodejs:tetris', code, binary: false },
    limits: { timeout: 60_000, memory: 512, logs: 1, concurrency: 1 },
  });

const folder = mkdtempSync(join(tmpdir(), 'idle-'));
const daemon = new TestDaemon();
let model: BuiltModel;
let subject: InvokerBench;

const invoke = (name: string, content: Record<string, unknown>) =>
  aMessage({ action: { path: 'guest', name, version: '0.0.1' }, revision: `1-${name}`, content });

async function counted(metric: string): Promise<number> {
  const text = await subject.extension.metrics.metrics();
  const line = text.split('\n').find((one) => one.startsWith(`tetris_invoker_${metric} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

beforeAll(async () => {
  model = await buildModel(perceptron('idle'), folder);
  await daemon.start({ modelRoots: folder, tensorBytesMin: 1024 });
  subject = new InvokerBench({
    factory: new ProcessFactory({
      command: [process.execPath, ...START_ARGUMENTS],
      workPath: join(folder, 'w'),
      daemonSocketPath: join(daemon.folder, 'instance.sock'),
      modelRoots: [folder],
      path: process.env.PATH ?? '',
    }),
    actions: [action('model', MODEL_CODE), action('leaking', LEAKING_CODE)],
    // Any use of memory is pressure.
    config: {
      ...{ memory: '2g', measureMs: 100, tickMs: 20, logWaitMs: 2000 },
      ...{
        sleepAfterMs: 100,
        endProcessAfterMs: 300,
        sleepPressurePercent: 1,
        pauseGraceMs: 250,
        growthBytesMax: '64m',
      },
    },
    parts: { daemon: daemon.operator },
  });
  await subject.start();
});

afterAll(async () => {
  await subject.extension.stop();
  await daemon.dispose();
  rmSync(folder, { recursive: true, force: true });
});

it('sleep and end where memory is short, keep their tensors, and answer as before whenever a request comes', async () => {
  const seed = testSeed();
  const random = randomFrom(seed);
  const logits: number[][] = [];
  for (let step = 1; step <= 25; step += 1) {
    await subject.send(invoke('model', { model: model.path, seed: 7 }));
    await subject.freed(step);
    logits.push((subject.records.at(-1)?.response.result as { logits: number[] }).logits);
    // Awake, on its way to sleep, asleep, frozen, on its way to its end, or ended.
    await delay(random(600));
  }
  // Weights that are not packed take another way through the kernels: answers are equal but for rounding.
  const [first = []] = logits;
  for (const each of logits) each.forEach((value, at) => expect(value).toBeCloseTo(first[at] ?? NaN, 4));
  expect(subject.records.every(({ response }) => response.statusCode === 0)).toBe(true);
  for (const { logs } of subject.records) expect(logs.join()).toContain('seed 7');
  expect(await counted('instance_rests_total{level="asleep"}')).toBeGreaterThan(1);
  // One instance all the time: whoever found its process ended has initialized another in its place.
  expect(await counted('container_starts_total{outcome="ready"}')).toBe(1);
  const initialized = subject.records.filter(({ annotations }) => annotations.some(({ key }) => key === 'initTime'));
  const ends = await counted('instance_rests_total{level="ended"}');
  expect(ends).toBeGreaterThan(1);
  expect(initialized.length - 1).toBeLessThanOrEqual(ends);
  expect(initialized.length).toBeGreaterThan(1);
  // Whichever level it had, it leases its tensors once it has answered.
  const answered = subject.records.length;
  await subject.send(invoke('model', { model: model.path, seed: 7 }));
  await subject.freed(answered + 1);
  expect((await daemon.operator.totals()).leasedBytes).toBeGreaterThan(0);
});

it('are replaced where their private memory grows, by one that is ready before', async () => {
  const before = subject.records.length;
  for (let sent = 1; sent <= 12; sent += 1) {
    await subject.send(invoke('leaking', { mb: sent <= 4 ? 1 : 24 }));
    await subject.freed(before + sent);
    // Long enough to be measured, and not so long that its process ends.
    await delay(180);
  }
  const leaking = subject.records.slice(before);
  expect(leaking.map(({ response }) => response.statusCode)).toEqual(Array(12).fill(0));
  const pids = new Set(leaking.map(({ response }) => (response.result as { pid: number }).pid));
  expect(pids.size).toBeGreaterThan(1);
  // Nobody but the first has waited for a start.
  expect(leaking.filter(({ annotations }) => annotations.some(({ key }) => key === 'initTime'))).toHaveLength(1);
  expect(await counted('instance_ends_total{reason="grown"}')).toBeGreaterThan(0);
});
