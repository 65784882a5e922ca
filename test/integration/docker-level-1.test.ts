/**
 * Level 1: containers as a stock invoker starts them, with what `ansible/openwhisk/l1.yml` adds, and what each is
 * charged.
 */
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildModel, type BuiltModel, transformer } from '@tetris/bench';
import { DaemonOperator } from '@tetris/common';
import { cgroupPrivateBytes, memoryCgroup } from '@tetris/invoker-extension';
import { spawnInTest } from '../support/child';
import { ENGINE_TIMEOUT_MS, engineOfTests } from '../support/docker/engine';
import { inNamespace, mountMemory, namespaceFolder, note } from '../support/docker/namespace';
import { openwhiskVariable } from '../support/openwhisk-variables';
import { until } from '../support/until';

const MIB = 1024 ** 2;
const TEST_TIMEOUT_MS = 240_000;
/** What a second container of a 340 MB model may be charged. */
const SHARED_MAX = 40 * MIB;
const SETTLE_MS = 20_000;
const STEP_MS = 2000;
const ROWS = 64;
const WIDTH = 768;

const ACTION = `
const ort = require('onnxruntime-node');
let session;
exports.main = async () => {
  session ??= await ort.InferenceSession.create('/models/bert.onnx');
  const input = new ort.Tensor('float32', new Float32Array(${ROWS * WIDTH}).fill(0.1), [1, ${ROWS}, ${WIDTH}]);
  const output = await session.run({ [session.inputNames[0]]: input });
  return { logits: Array.from(output[session.outputNames[0]].data) };
};`;

/** As OpenWhisk's `DockerContainer` does, for an action with a limit of 1 GiB; its own list of capabilities apart. */
const STOCK_ARGUMENTS = [
  ...['--cpu-shares', '1024', '--memory', '1024m', '--memory-swap', '1024m', '--network', 'bridge'],
  ...['--env', '__OW_API_HOST=http://127.0.0.1:1'],
  ...['--ulimit', 'nofile=1024:1024', '--pids-limit', '1024', '--log-driver', 'json-file'],
];
const STOCK_CAPABILITIES = ['--cap-drop', 'NET_RAW', '--cap-drop', 'NET_ADMIN'];

inNamespace(__filename, () => {
  jest.setTimeout(TEST_TIMEOUT_MS);
  let folder: string;
  const engine = engineOfTests();
  let model: BuiltModel;
  let operator: DaemonOperator;

  beforeAll(async () => {
    folder = mkdtempSync(join(namespaceFolder(), 'level-1-'));
    for (const path of [namespaceFolder(), folder]) chmodSync(path, 0o755);
    model = await buildModel(transformer('bert'), join(folder, 'models'));
    mkdirSync(join(folder, 'instance'));
    mountMemory(join(folder, 'store'), '1g');
    spawnInTest(process.execPath, [require.resolve('@tetris/tensor-daemon/dist/main')], {
      env: {
        PATH: process.env['PATH'],
        TETRIS_DAEMON_SOCKET_PATH: join(folder, 'instance/daemon.sock'),
        TETRIS_DAEMON_OPERATOR_SOCKET_PATH: join(folder, 'operator.sock'),
        TETRIS_DAEMON_STORE_PATH: join(folder, 'store'),
        TETRIS_DAEMON_STORE_BYTES_MAX: '1g',
        TETRIS_DAEMON_MODEL_ROOTS: `/models=${dirname(model.path)}`,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    operator = new DaemonOperator(join(folder, 'operator.sock'));
    await until(async () => (await operator.health().catch(() => undefined))?.state === 'ready');
  }, ENGINE_TIMEOUT_MS);

  /** What `l1.yml` has a stock invoker add, with this test's folders for the node's. */
  function sharingArguments(): string[] {
    const set = openwhiskVariable('invoker_extraEnv', ['l1.yml'], { tetris_l1_model_roots: ['/models'] }, folder);
    const options = { capDrop: '--cap-drop', volume: '--volume', extraEnvVars: '--env' };
    const places = {
      '/var/lib/tetris/store': join(folder, 'store'),
      '/run/tetris/instance': join(folder, 'instance'),
      '/models': dirname(model.path),
    };
    return Object.entries(set as Record<string, string>).flatMap(([key, value]) => {
      const kind = /_(capDrop|volume|extraEnvVars)_\d+$/.exec(key)?.[1] as keyof typeof options;
      const [place] = Object.entries(places).find(([path]) => value.startsWith(path)) ?? [];
      const here = place === undefined ? value : value.replace(place, places[place as keyof typeof places]);
      return [options[kind], here];
    });
  }

  /** Starts a container and has it answer once. @returns the answer, and its process */
  async function answered(more: readonly string[]): Promise<{ logits: number[]; pid: number }> {
    const id = await engine().docker('run', '--detach', ...STOCK_ARGUMENTS, ...more, await engine().runtimeImage());
    const told = await engine().docker('inspect', '--format', '{{.State.Pid}} {{.NetworkSettings.IPAddress}}', id);
    const [pid, host = ''] = told.split(' ');
    const post = async (path: '/init' | '/run', value: object): Promise<{ logits?: number[] }> => {
      const reply = await fetch(`http://${host}:8080${path}`, { method: 'POST', body: JSON.stringify({ value }) });
      if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
      return (await reply.json()) as { logits?: number[] };
    };
    await until(
      () =>
        fetch(`http://${host}:8080/`)
          .then(() => true)
          .catch(() => false),
      'the runtime listens',
    );
    await post('/init', { name: 'action', main: 'main', binary: false, code: ACTION, env: {} });
    const { logits = [] } = await post('/run', {});
    return { logits, pid: Number(pid) };
  }

  const chargedTo = async ({ pid }: { pid: number }): Promise<number> =>
    Number(await cgroupPrivateBytes(await memoryCgroup(pid)));

  /** What a container is charged once it has given back what loading left behind, a moment after its answer. */
  async function settled(container: { pid: number }): Promise<number> {
    let bytes = Number.POSITIVE_INFINITY;
    const falls = async (): Promise<boolean> => {
      const before = bytes;
      bytes = await chargedTo(container);
      return bytes < before || bytes > SHARED_MAX;
    };
    const deadlineMs = Date.now() + SETTLE_MS;
    while ((await falls()) && Date.now() < deadlineMs) await sleep(STEP_MS);
    return bytes;
  }

  it('charges a second container of a 340 MB model at most 40 MiB, and one without a daemon all of it', async () => {
    expect(model.bytes).toBeGreaterThan(330 * 1e6);
    const alone = await answered([...STOCK_CAPABILITIES, '--volume', `${dirname(model.path)}:/models:ro`]);
    const aloneBytes = await chargedTo(alone);
    expect(aloneBytes).toBeGreaterThan(model.bytes);
    const sharing = sharingArguments();
    await answered(sharing);
    // On a busy machine the first may load privately rather than wait for the store; the second finds the model there.
    await until(async () => (await operator.totals()).uniqueBytes > 330 * 1e6);
    const second = await answered(sharing);
    second.logits.forEach((logit, index) => expect(logit).toBeCloseTo(alone.logits[index] ?? Number.NaN, 4));
    const bytes = await settled(second);
    note(`charged: ${mib(bytes)} MiB, without a daemon ${mib(aloneBytes)} MiB`);
    expect(bytes).toBeLessThanOrEqual(SHARED_MAX);
    expect((await operator.totals()).leases).toBeGreaterThan(0);
  });
});

const mib = (bytes: number): string => (bytes / MIB).toFixed(1);
