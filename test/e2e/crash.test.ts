import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import { type Platform, type PlatformNode, startPlatform } from '@tetris/standalone';
import type openwhisk from 'openwhisk';
import { type ActivationRecord, clientOf, INFER_CODE, plainFeeds } from '../support/platform';
import { storeLinks } from '../support/store-links';
import { until } from '../support/until';

const ACTIVATIONS = 200;
const AT_ONCE = 24;
const KILL_EVERY = 30;

describe('crashes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tetris-e2e-'));
  let platform: Platform;
  let node: PlatformNode;
  let client: openwhisk.Client;
  let model: BuiltModel;
  let feeds: object[];

  beforeAll(async () => {
    model = await buildModel(perceptron('crash'), folder);
    feeds = plainFeeds(model.inputs(1, 1));
    const settings = { TETRIS_DAEMON_TENSOR_BYTES_MIN: '1024', TETRIS_INVOKER_RECONCILE_MS: '1000' };
    platform = await startPlatform({ modelRoots: [folder], settings, logLevel: 'silent' });
    node = platform.nodes[0] as PlatformNode;
    client = clientOf(platform);
    for (const name of ['one', 'two']) {
      await client.actions.update({
        name,
        action: INFER_CODE,
        kind: 'nodejs:tetris',
        limits: { memory: 512 },
      });
      await client.actions.invoke({ name, params: { model: model.path, feeds }, blocking: true });
    }
  });
  afterAll(async () => {
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Answer {
    /** Status word, or the HTTP status where there is no record. */
    status: string;
    /** Of the instance that ran it, if it succeeded. */
    pid?: number;
  }

  async function invoke(name: string, pauseMs = 0): Promise<Answer> {
    try {
      const params = { model: model.path, feeds, pauseMs };
      const { response } = (await client.actions.invoke({ name, params, blocking: true })) as never as ActivationRecord;
      return { status: response.status, pid: response.result.pid };
    } catch (error) {
      const { statusCode, error: body } = error as { statusCode: number; error: Partial<ActivationRecord> };
      return { status: body.response?.status ?? String(statusCode) };
    }
  }

  /** Keeps activations running until all are answered; tells of each answer with the count of those before it. */
  async function storm(onAnswer: (answer: Answer, count: number) => void): Promise<Answer[]> {
    let started = 0;
    const answers: Answer[] = [];
    const worker = async (): Promise<void> => {
      while (started < ACTIVATIONS) {
        started += 1;
        const answer = await invoke(started % 2 === 0 ? 'one' : 'two', 150);
        onAnswer(answer, answers.length);
        answers.push(answer);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return answers;
  }

  /** The store's links, the daemon's lists and the living processes must tell the same. */
  async function expectExactReferences(): Promise<void> {
    await until(async () => {
      const living = new Set((await node.instances()).map(({ instance }) => instance));
      const leases = (await node.operator.leases()).map(({ instance }) => instance).sort();
      const { holders, references, seen } = storeLinks(node.storePath);
      return (
        leases.every((instance) => living.has(instance)) &&
        JSON.stringify(leases) === JSON.stringify(holders) &&
        JSON.stringify([...references]) === JSON.stringify([...seen]) &&
        (await node.operator.totals()).instances === living.size
      );
    });
    const { holders, references } = storeLinks(node.storePath);
    const tensors = await node.operator.tensors();
    expect(tensors.length).toBeGreaterThan(0);
    for (const tensor of tensors) expect(tensor.references).toBe(references.get(tensor.sha256));
    expect(holders.length).toBeGreaterThan(0);
  }

  it('expected failure: instances are killed in the middle of 200 activations; each is answered and no reference leaks', async () => {
    const killed = new Set<number>();
    let due = 0;
    const answers = await storm(({ pid }, count) => {
      if (count >= due && pid !== undefined && !killed.has(pid)) {
        // It has just answered one of the activations that it runs at once: the others are in the middle.
        process.kill(pid, 'SIGKILL');
        killed.add(pid);
        due = count + KILL_EVERY;
      }
    });
    const count = (wanted: string): number => answers.filter(({ status }) => status === wanted).length;
    expect(answers).toHaveLength(ACTIVATIONS);
    expect(killed.size).toBeGreaterThanOrEqual(4);
    // Those whose instance died say so; all others succeed.
    expect(count('success') + count('action developer error')).toBe(ACTIVATIONS);
    expect(count('action developer error')).toBeGreaterThan(0);
    expect(count('success')).toBeGreaterThan(ACTIVATIONS / 2);
    await until(() => platform.books().inFlight === 0);
    expect(platform.books().invokers.map(({ outstanding }) => outstanding)).toEqual([0]);
    expect(platform.violations).toEqual([]);
    expect((await invoke('one')).status).toBe('success');
    await expectExactReferences();
  });

  it('expected failure: the daemon is killed; living instances go on, it returns, and the store is whole', async () => {
    expect((await invoke('one')).status).toBe('success');
    const before = storeLinks(node.storePath);
    const killed = node.daemonPid ?? 0;
    process.kill(killed, 'SIGKILL');
    expect((await invoke('one')).status).toBe('success');
    await until(() => node.daemonPid !== undefined && node.daemonPid !== killed);
    await until(() =>
      node.operator.health().then(
        ({ state }) => state === 'ready',
        () => false,
      ),
    );
    expect([...storeLinks(node.storePath).references.keys()]).toEqual([...before.references.keys()]);
    // A new instance finds the models that were there, and the old ones lease again.
    await client.actions.update({ name: 'three', action: INFER_CODE, kind: 'nodejs:tetris' });
    expect((await invoke('three')).status).toBe('success');
    expect((await invoke('one')).status).toBe('success');
    await expectExactReferences();
    expect(platform.violations).toEqual([]);
  });
});
