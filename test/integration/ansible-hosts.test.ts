/**
 * The playbooks on three hosts with a systemd and a Docker engine each: L1, L2, an upgrade of every part one node at a
 * time while activations come, the way back, and nothing left of it all.
 */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { buildModel, perceptron } from '@tetris/bench';
import { type Action, DaemonOperator } from '@tetris/common';
import type { Finding } from '@tetris/doctor';
import { Cluster, type Outcome } from '../support/cluster/cluster';
import { RUNTIME_IMAGE, startEngine } from '../support/docker/engine';
import { inNamespace, namespaceFolder, note } from '../support/docker/namespace';
import type { Change } from '../support/hosts/changes';
import { Host } from '../support/hosts/host';
import { HostNetwork } from '../support/hosts/host-network';
import { until } from '../support/until';

const ROOT = resolve(__dirname, '../..');
const ANSIBLE = join(ROOT, 'ansible');
const HOSTS = 3;
const PLAYBOOK_TIMEOUT_MS = 280_000;
const PER_SECOND = 50;
const ANSWER_MS_MAX = 120_000;
/** The store after it has been enlarged. */
const LARGER = { tetris_level: 2, tetris_deploy_store_size: '320m' };
const SHAPE = { inputs: 64, hidden: 256 };

/** Answers with what the model says of an input that `n` decides, and with which process said it. */
const INFER = `
const ort = require('onnxruntime-node');
let session;
exports.main = async ({ n }) => {
  session ??= ort.InferenceSession.create('/srv/models/perceptron.onnx');
  const input = new Float32Array(${SHAPE.inputs}).fill((n % 7) / 10);
  const { logits } = await (await session).run({ features: new ort.Tensor('float32', input, [1, ${SHAPE.inputs}]) });
  return { n, logits: Array.from(logits.data) };
};`;

inNamespace(__filename, () => {
  jest.setTimeout(2 * PLAYBOOK_TIMEOUT_MS);
  let folder: string;
  let hosts: Host[];
  let network: HostNetwork;
  let cluster: Cluster;
  let infer: Action;
  let untouched: Map<string, Change>[];
  let bundles: { first: string; second: string };

  beforeAll(async () => {
    folder = mkdtempSync(join(namespaceFolder(), 'hosts-'));
    for (const each of [namespaceFolder(), folder]) chmodSync(each, 0o755);
    const model = await buildModel(perceptron('perceptron', SHAPE), join(folder, 'models'));
    network = new HostNetwork();
    hosts = Array.from({ length: HOSTS }, (_, index) => new Host(index, network));
    const booted = Promise.all(hosts.map((host) => host.boot({ '/srv/models': dirname(model.path) })));
    const starting = Cluster.start({ balancers: 0, invokers: 0 });
    await saveImage(join(folder, 'image.tar'));
    bundles = await makeBundles(folder);
    await booted;
    cluster = await starting;
    const ports = [cluster.kafka.port, cluster.redis.port, cluster.couch.port];
    for (const index of hosts.keys()) for (const port of ports) network.forward(index, port);
    untouched = hosts.map((host) => host.changes());
    infer = await cluster.putAction({
      name: 'infer',
      exec: { kind: 'nodejs:tetris', code: INFER, binary: false },
      limits: { timeout: 60_000, memory: 256, logs: 0, concurrency: 50 },
    });
  });
  afterAll(() => cluster.stop());

  /** Runs a playbook on all hosts. @returns what it has changed: hosts and tasks */
  async function play(playbook: string, variables: Record<string, unknown>): Promise<string[]> {
    const inventory = join(folder, 'inventory.ini');
    writeFileSync(inventory, inventoryOf(hosts));
    const all = { ...commonVariables(folder, cluster), tetris_deploy_bundle: bundles.first, ...variables };
    const env = {
      ...process.env,
      ANSIBLE_NOCOLOR: '1',
      ANSIBLE_PIPELINING: 'true',
      ANSIBLE_LOCAL_TEMP: join(folder, 'a'),
    };
    const options = { cwd: ANSIBLE, env, timeout: PLAYBOOK_TIMEOUT_MS, maxBuffer: 64 * 1024 ** 2 };
    const started = Date.now();
    try {
      const args = ['-i', inventory, playbook, '-e', JSON.stringify(all)];
      const { stdout } = await promisify(execFile)('ansible-playbook', args, options);
      note(`${playbook} ${JSON.stringify(variables)}: ${Math.round((Date.now() - started) / 1000)} s`);
      return changesOf(stdout);
    } catch (error) {
      throw new Error(String((error as { stdout?: string }).stdout).slice(-6_000), { cause: error });
    }
  }

  const atOnce = { tetris_deploy_serial: HOSTS };

  it('bring L1 to every node, and change nothing the second time', async () => {
    await play('tetris.yml', { ...atOnce, tetris_level: 1 });
    for (const host of hosts) {
      expect(await host.run('systemctl', 'is-active', 'tetris-tensor-daemon')).toBe('active');
      expect(await host.run('docker', 'images', '--quiet', RUNTIME_IMAGE)).not.toBe('');
    }
    const again = await play('tetris.yml', { ...atOnce, tetris_level: 1 });
    expect(again).toEqual([]);
  });

  it('bring L2, whose instances share, enlarge the mounted store, and leave nothing for the doctor to find', async () => {
    await play('tetris.yml', { ...atOnce, ...LARGER });
    for (const host of hosts) expect((await operator(host).totals()).budgetBytes).toBe(320 * 1024 ** 2);
    await until(
      () =>
        cluster.controller
          .states()
          .slice(0, 2)
          .every((state) => state === 'healthy'),
      60_000,
      'healthy',
    );
    const outcomes = await Promise.all(Array.from({ length: 60 }, (_, n) => cluster.call(infer, { n })));
    expect(outcomes.filter(({ statusCode }) => statusCode !== 0)).toEqual([]);
    expect(await leases()).toBeGreaterThan(0);
    for (const host of hosts) expect(await sickness(host)).toEqual([]);
  });

  it('bring everything up to date one node at a time under load: none is lost, and no instance pays for a daemon', async () => {
    const before = await containers();
    expect(before.length).toBeGreaterThan(0);
    const held = await leases();
    const upgrade = play('tetris.yml', { ...LARGER, tetris_deploy_bundle: bundles.second });
    const daemons = async (): Promise<void> => {
      await until(() => hosts.every((host) => isSecond(host, 'tensor-daemon')), PLAYBOOK_TIMEOUT_MS, 'daemons are new');
      expect(hosts.some((host) => isSecond(host, 'invoker-extension'))).toBe(false);
      await until(async () => (await leases()) >= held, PLAYBOOK_TIMEOUT_MS, 'every lease is held again');
      expect(await containers()).toEqual(expect.arrayContaining(before));
    };
    await underLoad(() => Promise.all([upgrade, daemons()]));
    expect(hosts.every((host) => isSecond(host, 'invoker-extension'))).toBe(true);
    expect(await leases()).toBeGreaterThan(0);
    for (const host of hosts) expect(await sickness(host)).toEqual([]);
  });

  it('go back to the bundle before', async () => {
    await play('tetris.yml', { ...atOnce, mode: 'rollback' });
    for (const name of ['tensor-daemon', 'invoker-extension']) {
      expect(hosts.some((host) => isSecond(host, name))).toBe(false);
    }
    expect(await cluster.call(infer, { n: 1 })).toMatchObject({ statusCode: 0 });
  });

  it('leave nothing behind', async () => {
    await play('tetris.yml', { ...atOnce, mode: 'clean' });
    for (const [index, host] of hosts.entries()) expect(host.changes()).toEqual(untouched[index]);
  });

  const operator = (host: Host): DaemonOperator => new DaemonOperator(host.path('/run/tetris/operator/daemon.sock'));
  const isSecond = (host: Host, service: string): boolean =>
    existsSync(host.path(`/opt/tetris/${service}/node_modules/second`));

  async function leases(): Promise<number> {
    const totals = await Promise.all(hosts.map((host) => operator(host).totals()));
    return totals.reduce((sum, each) => sum + each.leases, 0);
  }

  async function containers(): Promise<string[]> {
    const lists = await Promise.all(hosts.map((host) => host.run('docker', 'ps', '--quiet', '--no-trunc')));
    return lists.flatMap((list) => list.split('\n')).filter((id) => id !== '');
  }

  /** What the doctor finds wrong on a host. */
  async function sickness(host: Host): Promise<Finding[]> {
    const doctor = '/opt/tetris/tensor-daemon/node_modules/@tetris/doctor/dist/main.js';
    const command = `${process.execPath} ${doctor} --json --image ${RUNTIME_IMAGE} || true`;
    const findings = JSON.parse(await host.run('sh', '-c', command)) as Finding[];
    return findings.filter(({ status }) => status === 'wrong');
  }

  /** Sends activations at an even pace for as long as something is done. @throws Error where one is not answered well */
  async function underLoad(work: () => Promise<unknown>): Promise<void> {
    const answers: Promise<Outcome>[] = [];
    let done = false;
    const sending = (async () => {
      const startMs = Date.now();
      for (; !done; await sleep(10)) {
        while (answers.length < ((Date.now() - startMs) / 1000) * PER_SECOND) {
          answers.push(cluster.call(infer, { n: answers.length }, ANSWER_MS_MAX));
        }
      }
    })();
    await work().finally(() => (done = true));
    await sending;
    const outcomes = await Promise.allSettled(answers);
    const lost = outcomes.filter((each) => each.status === 'rejected' || each.value.statusCode !== 0);
    note(`${outcomes.length} activations, ${lost.length} lost`);
    expect(lost.slice(0, 5)).toEqual([]);
  }
});

/** Hosts and tasks that Ansible calls changed. */
function changesOf(said: string): string[] {
  let task = '';
  return said.split('\n').flatMap((line) => {
    task = /^TASK \[(.*)\]/.exec(line)?.[1] ?? task;
    const host = /^changed: \[(\S+)\]/.exec(line)?.[1];
    return host === undefined ? [] : [`${host}: ${task}`];
  });
}

function inventoryOf(hosts: readonly Host[]): string {
  const rows = hosts.map(
    ({ name, leader }) => `${name} ansible_connection=community.docker.nsenter ansible_nsenter_pid=${leader}`,
  );
  const invokers = hosts.map(({ name }, index) => `${name} tetris_invoker_instance=${index}`);
  const balancers = hosts.slice(0, 2).map(({ name }) => name);
  return ['[invokers]', ...rows, '[tetris_invokers]', ...invokers, '[balancers]', ...balancers, ''].join('\n');
}

/** What all plays are told: where the servers are, and what the hosts are like. */
function commonVariables(folder: string, { kafka, redis, couch }: Cluster): Record<string, unknown> {
  return {
    ansible_become: false,
    ansible_python_interpreter: '/usr/bin/python3',
    tetris_deploy_node: process.execPath,
    tetris_deploy_image: RUNTIME_IMAGE,
    tetris_deploy_image_tag: 'test',
    tetris_deploy_image_archive: join(folder, 'image.tar'),
    tetris_deploy_store_size: '256m',
    tetris_deploy_model_roots: ['/srv/models'],
    tetris_deploy_kafka_brokers: [kafka.broker],
    tetris_deploy_redis_url: redis.url,
    tetris_deploy_couch_url: couch.url,
    tetris_deploy_hide_settings: false,
    tetris_invoker_memory: '3g',
    tetris_balancer_controllers: '0',
  };
}

/** An engine of its own builds the image, as an operator's machine does. */
async function saveImage(path: string): Promise<void> {
  const engine = await startEngine();
  await engine.runtimeImage();
  await engine.docker('save', '--output', path, RUNTIME_IMAGE);
  await engine.stop();
}

/** Two bundles of the same programs: the second has a file more, and so is another version. */
async function makeBundles(folder: string): Promise<{ first: string; second: string }> {
  const content = join(folder, 'bundle');
  const workspaces = ['tensor-daemon', 'invoker-extension', 'load-balancer', 'doctor'];
  await promisify(execFile)(join(ANSIBLE, 'bundle.sh'), [content, ...workspaces], { cwd: ROOT });
  const pack = (name: string): string => {
    const path = join(folder, name);
    execFileSync('tar', ['-C', content, '-I', 'gzip -1', '-cf', path, '.']);
    return path;
  };
  const first = pack('first.tar.gz');
  mkdirSync(join(content, 'node_modules'), { recursive: true });
  writeFileSync(join(content, 'node_modules/second'), '');
  return { first, second: pack('second.tar.gz') };
}
