/** Invoker extension, action runtime and tensor daemon together, without a controller. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { START_ARGUMENTS } from '@tetris/action-runtime';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import { ProcessFactory } from '@tetris/invoker-extension';
import { TestDaemon } from '../support/daemon';
import { aMessage, aStoredAction } from '../support/invoker';
import { InvokerBench } from '../support/invoker-bench';
import { storeLinks } from '../support/store-links';
import { until } from '../support/until';

jest.setTimeout(180_000);

const CODE = `
const ort = require('onnxruntime-node');
let session;
async function main({ model, pauseMs }) {
  session ??= ort.InferenceSession.create(model);
  const ready = await session;
  if (pauseMs) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  return { inputs: ready.inputNames };
}`;

const action = (name: string, revision: string) =>
  aStoredAction({
    name,
    revision,
    exec: { kind: 'nodejs:tetris', code: CODE, binary: false },
    limits: { timeout: 60_000, memory: 256, logs: 1, concurrency: 2 },
  });

const folder = mkdtempSync(join(tmpdir(), 'inv-'));
const daemon = new TestDaemon();
let model: BuiltModel;
let subject: InvokerBench;

const invoke = (name: string, revision: string, pauseMs = 0) =>
  aMessage({ action: { path: 'guest', name, version: '0.0.1' }, revision, content: { model: model.path, pauseMs } });

beforeAll(async () => {
  model = await buildModel(perceptron('sharing'), folder);
  await daemon.start({ modelRoots: folder, tensorBytesMin: 1024 });
  const workPath = join(folder, 'w');
  subject = new InvokerBench({
    factory: new ProcessFactory({
      command: [process.execPath, ...START_ARGUMENTS],
      workPath,
      daemonSocketPath: join(daemon.folder, 'instance.sock'),
      modelRoots: [folder],
      path: process.env.PATH ?? '',
    }),
    actions: [action('one', '1-a'), action('two', '1-b')],
    config: { memory: '2g', reconcileMs: 200, inventoryMs: 50, logWaitMs: 2000 },
    parts: { daemon: daemon.operator },
  });
  await subject.start();
});

afterAll(async () => {
  await subject.extension.stop();
  await daemon.dispose();
  rmSync(folder, { recursive: true, force: true });
});

it('publishes what an action needs, and counts tensors that two actions share once', async () => {
  await subject.send(invoke('one', '1-a'), invoke('two', '1-b'));
  await subject.freed(2);
  expect(subject.records.map(({ response }) => response.statusCode)).toEqual([0, 0]);
  const manifest = async (key: string) => subject.registry.getManifest(key);
  await until(async () => (await manifest('guest/one@1-a'))?.tensors.length !== undefined);
  await until(async () => (await manifest('guest/two@1-b'))?.tensors.length !== undefined);
  const [one, two] = [await manifest('guest/one@1-a'), await manifest('guest/two@1-b')];
  expect(one?.tensors.length).toBeGreaterThan(0);
  expect(two?.tensors).toEqual(one?.tensors);
  const { leasedBytes } = await daemon.operator.totals();
  const privateBytes = (one?.privateBytes ?? 0) + (two?.privateBytes ?? 0);
  const used = (): number => subject.extension.status().memoryUsedBytes;
  // Until they are measured, instances count with their memory limits.
  const measured = (): boolean =>
    used() > leasedBytes + 0.5 * privateBytes && used() < leasedBytes + 1.5 * privateBytes;
  await until(measured);

  const published = new Set<string>();
  await subject.registry.watch({
    inventory: (_node, { tensors }) => tensors.forEach(({ sha256 }) => published.add(sha256)),
    inventoryDelta: (_node, { added }) => added.forEach(({ sha256 }) => published.add(sha256)),
  });
  const arrived = (): boolean => (one?.tensors ?? []).every(({ sha256 }) => published.has(sha256));
  await until(arrived, 'the inventory names what the action needs');
});

it('after kills in the middle of 200 activations each is answered once, and references match the living instances exactly', async () => {
  const before = subject.records.length;
  const acksBefore = subject.acks.filter(({ instance }) => instance != null).length;
  const names = [
    ['one', '1-a'],
    ['two', '1-b'],
  ] as const;
  const messages = Array.from({ length: 200 }, (_, index) => {
    const [name, revision] = names[index % 2] ?? names[0];
    return invoke(name, revision, 20);
  });
  const tokens = async (): Promise<string[]> => [
    ...new Set((await daemon.operator.leases()).map(({ instance }) => instance)),
  ];
  await subject.send(...messages);
  let kills = 0;
  for (let attempt = 0; attempt < 100 && kills < 6 && subject.records.length < before + 180; attempt += 1) {
    const [pid] = instancePids(folder);
    if (pid !== undefined) {
      process.kill(pid, 'SIGKILL');
      kills += 1;
    }
    await new Promise((wait) => setTimeout(wait, 150));
  }
  await subject.freed(acksBefore + 200, 120_000);
  expect(kills).toBeGreaterThan(0);
  const mine = subject.records.slice(before);
  expect(mine).toHaveLength(200);
  expect(new Set(mine.map(({ activationId }) => activationId)).size).toBe(200);
  expect(mine.every(({ response }) => response.statusCode === 0 || response.statusCode === 2)).toBe(true);
  expect(mine.filter(({ response }) => response.statusCode === 2).length).toBeLessThanOrEqual(kills * 2);

  const living = (): string[] => livingTokens(folder);
  await until(async () => (await tokens()).sort().join() === living().join());
  // The view of an instance on its way up is there before its process, and goes with one that is not wanted any more.
  const settled = (): boolean => {
    try {
      return storeLinks(daemon.store).holders.join() === living().join();
    } catch {
      return false; // A view has gone while it was read.
    }
  };
  await until(settled);
  const { holders, references, seen } = storeLinks(daemon.store);
  expect(holders).toEqual(living());
  expect(references).toEqual(seen);
});

it('leaves no lease and no view behind when the invoker stops', async () => {
  await subject.extension.stop();
  await until(async () => (await daemon.operator.leases()).length === 0);
  expect(storeLinks(daemon.store).holders).toEqual([]);
});

/** Pids and tokens of the runtimes that work below a folder. */
function instances(below: string): { pid: number; token: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0');
      if (!environment.some((pair) => pair.startsWith(`TMPDIR=${below}/`))) return [];
      const token = environment.find((pair) => pair.startsWith('TETRIS_RUNTIME_INSTANCE='))?.split('=')[1];
      return token === undefined ? [] : [{ pid: Number(name), token }];
    } catch {
      return [];
    }
  });
}

const instancePids = (below: string): number[] => instances(below).map(({ pid }) => pid);
const livingTokens = (below: string): string[] => [...new Set(instances(below).map(({ token }) => token))].sort();
