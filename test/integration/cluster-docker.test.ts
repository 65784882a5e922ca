/**
 * The whole cluster with Docker containers: two nodes with a tensor daemon each, one engine, in a namespace of its own.
 */
import { chmodSync, mkdtempSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildModel, perceptron } from '@tetris/bench';
import type { Action } from '@tetris/common';
import { Cluster, type Outcome, sleeper } from '../support/cluster/cluster';
import { DockerNode } from '../support/cluster/docker-node';
import { type Engine, ENGINE_TIMEOUT_MS, startEngine } from '../support/docker/engine';
import { inNamespace, namespaceFolder, note } from '../support/docker/namespace';
import { storeLinks } from '../support/store-links';
import { until } from '../support/until';

const ACTIVATIONS = 10_000;
/** Callers that each wait for their answer before they call again. */
const CALLERS = 100;
const SHAPE = { inputs: 64, hidden: 256 };
/** Distinct inputs, so that an answer to another's question shows. */
const QUESTIONS = 7;

/** Answers with the model's output for an input that `n` decides. */
const INFER = `
const ort = require('onnxruntime-node');
let session;
exports.main = async ({ n }) => {
  session ??= ort.InferenceSession.create('/models/perceptron.onnx');
  const input = new Float32Array(${SHAPE.inputs}).fill((n % ${QUESTIONS}) / 10);
  const { logits } = await (await session).run({ features: new ort.Tensor('float32', input, [1, ${SHAPE.inputs}]) });
  return { n, logits: Array.from(logits.data) };
};`;
/** Memory limit of the action that stem cells wait for, and of no other. */
const STEM_MB = 300;
const BEGUN = 'begun';
/** As `sleeper`, and says in its log when it begins to sleep. */
const LOGGING_SLEEPER = `
function main({ n, ms }) {
  if (ms) console.log('${BEGUN}');
  return new Promise((done) => setTimeout(() => done({ n }), ms ?? 0));
}`;
/** Containers that take many activations at once. */
const LIMITS = { timeout: 60_000, memory: 256, logs: 0, concurrency: 50 };

inNamespace(__filename, () => {
  jest.setTimeout(400_000);
  let engine: Engine;
  let nodes: DockerNode[];
  let cluster: Cluster;
  let plain: Action;
  let infer: Action;

  beforeAll(async () => {
    const folder = mkdtempSync(join(namespaceFolder(), 'cluster-'));
    chmodSync(namespaceFolder(), 0o755);
    chmodSync(folder, 0o755);
    const model = await buildModel(perceptron('perceptron', SHAPE), join(folder, 'models'));
    nodes = ['node0', 'node1'].map((name) => new DockerNode(name, folder, dirname(model.path)));
    engine = await startEngine();
    await engine.runtimeImage();
    for (const node of nodes) await node.start();
    cluster = await Cluster.start({
      invokerEnv: (index) => ({
        ...nodes[index]?.invokerEnv(engine),
        TETRIS_INVOKER_MEMORY: '3g',
        TETRIS_INVOKER_PAUSE_GRACE_MS: '500',
        TETRIS_INVOKER_STEM_CELLS: `nodejs:tetris@${STEM_MB}m=1`,
      }),
    });
    const code = 'exports.main = ({ n }) => ({ n });';
    plain = await cluster.putAction({
      name: 'plain',
      exec: { kind: 'nodejs:20', code, binary: false },
      limits: LIMITS,
    });
    infer = await cluster.putAction({
      name: 'infer',
      exec: { kind: 'nodejs:tetris', code: INFER, binary: false },
      limits: LIMITS,
    });
  }, ENGINE_TIMEOUT_MS);

  afterAll(async () => {
    await cluster?.stop();
    for (const node of nodes) await node.stop();
    await engine?.stop();
  }, ENGINE_TIMEOUT_MS);
  afterEach(() => {
    cluster.violations.length = 0;
  });

  const containers = async (status?: 'running' | 'paused'): Promise<string[]> =>
    (await Promise.all(nodes.map((node) => node.containers(engine, status)))).flat();

  it(`answers ${ACTIVATIONS} activations of both kinds, each exactly once and with its own result`, async () => {
    const logits = new Map<number, unknown>();
    for (let n = 0; n < QUESTIONS; n += 1) {
      const { result } = await cluster.call(infer, { n });
      logits.set(n, (result as { logits: unknown }).logits);
    }
    expect(new Set([...logits.values()].map((each) => JSON.stringify(each))).size).toBe(QUESTIONS);
    const isOwn = (n: number, { statusCode, result }: Outcome): boolean => {
      const expected = n % 2 === 0 ? { n } : { n, logits: logits.get(n % QUESTIONS) };
      return statusCode === 0 && JSON.stringify(result) === JSON.stringify(expected);
    };

    const begunMs = performance.now();
    const wrong: Outcome[] = [];
    const waitsMs: number[] = [];
    let next = 0;
    const caller = async (): Promise<void> => {
      for (let n = next++; n < ACTIVATIONS; n = next++) {
        const sentMs = performance.now();
        const outcome = await cluster.call(n % 2 === 0 ? plain : infer, { n });
        waitsMs.push(performance.now() - sentMs);
        if (!isOwn(n, outcome)) wrong.push(outcome);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    const seconds = (performance.now() - begunMs) / 1000;
    await cluster.level();

    const { inFlight, invokers } = cluster.controller.books();
    const outstanding = invokers.reduce((sum, book) => sum + book.outstanding, 0);
    const figures = { answered: waitsMs.length, wrong: wrong.length, violations: cluster.violations.length };
    const placed = Object.fromEntries(
      await Promise.all(nodes.map(async (node, index) => [`node${index}`, (await node.containers(engine)).length])),
    );
    const perSecond = Math.round(ACTIVATIONS / seconds);
    const all = {
      ...figures,
      inFlight,
      outstanding,
      seconds: Math.round(seconds),
      perSecond,
      ...quantiles(waitsMs),
      placed,
    };
    note(`cluster with Docker containers: ${JSON.stringify(all)}`);
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(cluster.violations).toEqual([]);
    expect({ ...figures, inFlight, outstanding }).toEqual({
      answered: ACTIVATIONS,
      wrong: 0,
      violations: 0,
      inFlight: 0,
      outstanding: 0,
    });
    await until(async () => (await recordCount()) === QUESTIONS + ACTIVATIONS, 'every record is stored once');
  });

  it('expected failure: answers what runs in a container that is killed with an error, and goes on', async () => {
    const victim = await cluster.putAction({
      ...sleeper('victim'),
      exec: { kind: 'nodejs:tetris', code: LOGGING_SLEEPER, binary: false },
    });
    await cluster.call(victim, { n: 0 });
    const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => cluster.invoke(victim, { n, ms: 50_000 })));
    let killed: string[] = [];
    const running = async (): Promise<number> => {
      killed = (await containers('running')).filter((name) => name.includes('victim'));
      const logs = await Promise.all(killed.map((name) => engine.docker('logs', name)));
      return logs.join('').split(BEGUN).length - 1;
    };
    await until(async () => (await running()) === sent.length, 'all of them run');
    await engine.docker('kill', ...killed);
    const outcomes = await Promise.all(sent.map((each) => cluster.outcomeOf(each)));
    // 2: what stock says of a container that ended while it ran an activation.
    expect(outcomes.map(({ statusCode }) => statusCode)).toEqual(outcomes.map(() => 2));
    expect(await cluster.call(victim, { n: 7 })).toMatchObject({ statusCode: 0, result: { n: 7 } });
    await cluster.level();
    expect(cluster.violations).toEqual([]);
    await until(async () => !(await containers()).some((name) => killed.includes(name)));
  });

  it('answers from another container when the paused one was killed', async () => {
    const sleeping = await cluster.putAction(sleeper('dozer'));
    await cluster.call(sleeping, { n: 0 });
    const dozers = async (): Promise<string[]> => (await containers('paused')).filter((name) => name.includes('dozer'));
    await until(async () => (await dozers()).length === 1, 'the container is paused');
    const [paused = ''] = await dozers();
    await engine.docker('kill', paused);
    expect(await cluster.call(sleeping, { n: 1 })).toMatchObject({ statusCode: 0, result: { n: 1 } });
    await cluster.level();
    expect(cluster.violations).toEqual([]);
    await until(async () => !(await containers()).includes(paused));
  });

  it('runs the first activation of an action in a container that waited for it, and starts another to wait', async () => {
    const stems = async (): Promise<string[]> => (await containers()).filter((name) => /_stem-\d+$/.test(name));
    await until(async () => (await stems()).length === nodes.length, 'one waits on each node');
    const waiting = await stems();
    const adopted = await cluster.putAction({
      name: 'adopted',
      exec: { kind: 'nodejs:tetris', code: INFER, binary: false },
      limits: { ...LIMITS, memory: STEM_MB },
    });
    const [first, other] = [await cluster.call(adopted, { n: 1 }), await cluster.call(infer, { n: 1 })];
    expect(first).toMatchObject({ statusCode: 0, result: other.result });
    expect((await containers()).filter((name) => name.includes('adopted'))).toEqual([]);
    await until(async () => (await stems()).length === nodes.length + 1, 'another waits');
    expect(await stems()).toEqual(expect.arrayContaining(waiting));
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });

  it('leaves no container, no lease and no view when it is drained', async () => {
    await cluster.call(infer, { n: 1 });
    expect((await Promise.all(nodes.map(({ operator }) => operator.totals()))).some(({ leases }) => leases > 0)).toBe(
      true,
    );
    expect(await cluster.drain()).toEqual([0, 0, 0]);
    expect(await containers()).toEqual([]);
    for (const { operator, storePath } of nodes) {
      expect(await operator.instances()).toEqual([]);
      expect(await operator.totals()).toMatchObject({ leases: 0, instances: 0, leasedBytes: 0 });
      const { holders, references } = storeLinks(storePath);
      expect(holders).toEqual([]);
      expect([...references.values()].filter((count) => count > 0)).toEqual([]);
    }
  });

  /** Records of the namespace; not by a view, which a database in memory builds slowly. */
  async function recordCount(): Promise<number> {
    const { origin, username, password } = new URL(cluster.couch.url);
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const url = `${origin}/whisk_local_activations/_all_docs?startkey="guest/"&endkey="guest0"`;
    const response = await fetch(url, { headers: { authorization } });
    return ((await response.json()) as { rows: unknown[] }).rows.length;
  }
});

function quantiles(values: readonly number[]): { medianMs: number; p99Ms: number } {
  const sorted = [...values].sort((left, right) => left - right);
  const at = (ratio: number): number => Math.round(sorted[Math.floor(ratio * sorted.length)] ?? 0);
  return { medianMs: at(0.5), p99Ms: at(0.99) };
}
