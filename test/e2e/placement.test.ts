import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import { type Platform, type PlatformNode, startPlatform } from '@tetris/standalone';
import type openwhisk from 'openwhisk';
import { type ActivationRecord, clientOf, INFER_CODE, plainFeeds } from '../support/platform';
import { until } from '../support/until';

describe('placement over two nodes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tetris-e2e-'));
  let platform: Platform;
  let client: openwhisk.Client;
  let model: BuiltModel;

  beforeAll(async () => {
    const settings = { TETRIS_DAEMON_TENSOR_BYTES_MIN: '1024', TETRIS_INVOKER_INVENTORY_MS: '100' };
    platform = await startPlatform({ invokers: 2, modelRoots: [folder], settings });
    client = clientOf(platform);
    model = await buildModel(perceptron('placed'), folder);
  });
  afterAll(async () => {
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const invoke = async (name: string): Promise<PlatformNode> => {
    const params = { model: model.path, feeds: plainFeeds(model.inputs(1, 1)) };
    const { response } = (await client.actions.invoke({ name, params, blocking: true })) as never as ActivationRecord;
    for (const node of platform.nodes) {
      const pids = (await node.instances()).map(({ pid }) => pid);
      if (pids.includes(response.result.pid)) return node;
    }
    throw new Error(`no node has process ${response.result.pid}`);
  };

  /** The share of an action's tensors on each node, as the load balancer knows it. */
  const thetas = (name: string): Record<string, number> => {
    return Object.fromEntries(platform.thetas(`guest/${name}`).map(({ node, theta }) => [node, theta]));
  };

  it('starts the next instance where the tensors are, though its home is another node', async () => {
    // At first nobody knows an action's tensors: each starts at its home, and some names are at home on either node.
    const homes = new Map<string, PlatformNode>();
    for (let index = 0; new Set(homes.values()).size < 2 && index < 16; index += 1) {
      const name = `function${index}`;
      await client.actions.update({ name, action: INFER_CODE, kind: 'nodejs:tetris' });
      homes.set(name, await invoke(name));
    }
    expect(new Set(homes.values()).size).toBe(2);
    const [moved = '', home] = [...homes].at(-1) ?? [];
    const other = platform.nodes.find((node) => node !== home);
    await until(() => thetas(moved)['node0'] === 1 && thetas(moved)['node1'] === 1);

    // Its home loses every instance and every tensor.
    for (const { pid } of (await home?.instances()) ?? []) process.kill(pid, 'SIGKILL');
    await until(async () => (await home?.operator.totals())?.leases === 0);
    await home?.operator.collect();
    expect(await home?.operator.tensors()).toEqual([]);
    // Until the load balancer knows of both.
    await until(() => thetas(moved)[home?.name ?? ''] === undefined);
    await until(() => platform.report().nodes.find(({ node }) => node === home?.name)?.instances === 0);

    expect((await invoke(moved)).name).toBe(other?.name);
    expect(await home?.operator.tensors()).toEqual([]);
    expect(platform.violations).toEqual([]);
  });
});
