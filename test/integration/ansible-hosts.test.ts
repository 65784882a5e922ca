/**
 * The playbooks on three hosts with a systemd and a Docker engine each: L1 on all of them, once more without a change,
 * and nothing left of it.
 */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { buildModel, perceptron } from '@tetris/bench';
import { Cluster } from '../support/cluster/cluster';
import { RUNTIME_IMAGE, startEngine } from '../support/docker/engine';
import { inNamespace, namespaceFolder, note } from '../support/docker/namespace';
import type { Change } from '../support/hosts/changes';
import { Host } from '../support/hosts/host';
import { HostNetwork } from '../support/hosts/host-network';

const ROOT = resolve(__dirname, '../..');
const ANSIBLE = join(ROOT, 'ansible');
const HOSTS = 3;
const PLAYBOOK_TIMEOUT_MS = 280_000;
const SHAPE = { inputs: 64, hidden: 256 };

inNamespace(__filename, () => {
  jest.setTimeout(2 * PLAYBOOK_TIMEOUT_MS);
  let folder: string;
  let hosts: Host[];
  let network: HostNetwork;
  let cluster: Cluster;
  let untouched: Map<string, Change>[];
  let bundle: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(namespaceFolder(), 'hosts-'));
    for (const each of [namespaceFolder(), folder]) chmodSync(each, 0o755);
    const model = await buildModel(perceptron('perceptron', SHAPE), join(folder, 'models'));
    network = new HostNetwork();
    hosts = Array.from({ length: HOSTS }, (_, index) => new Host(index, network));
    const booted = Promise.all(hosts.map((host) => host.boot({ '/srv/models': dirname(model.path) })));
    const starting = Cluster.start({ balancers: 0, invokers: 0 });
    await saveImage(join(folder, 'image.tar'));
    bundle = await makeBundle(folder);
    await booted;
    cluster = await starting;
    const ports = [cluster.kafka.port, cluster.redis.port, cluster.couch.port];
    for (const index of hosts.keys()) for (const port of ports) network.forward(index, port);
    untouched = hosts.map((host) => host.changes());
  });
  afterAll(async () => {
    await Promise.all(hosts.map((host) => host.stop()));
    await cluster.stop();
  });

  /** Runs a playbook on all hosts. @returns what it has changed: hosts and tasks */
  async function play(playbook: string, variables: Record<string, unknown>): Promise<string[]> {
    const inventory = join(folder, 'inventory.ini');
    writeFileSync(inventory, inventoryOf(hosts));
    const all = { ...commonVariables(folder, cluster), tetris_deploy_bundle: bundle, ...variables };
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

  it('leave nothing behind', async () => {
    await play('tetris.yml', { ...atOnce, mode: 'clean' });
    for (const [index, host] of hosts.entries()) expect(host.changes()).toEqual(untouched[index]);
  });
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

/** As an operator makes it, packed with less patience. */
async function makeBundle(folder: string): Promise<string> {
  const content = join(folder, 'bundle');
  const workspaces = ['tensor-daemon', 'invoker-extension', 'load-balancer', 'doctor'];
  await promisify(execFile)(join(ANSIBLE, 'bundle.sh'), [content, ...workspaces], { cwd: ROOT });
  const path = join(folder, 'tetris.tar.gz');
  execFileSync('tar', ['-C', content, '-I', 'gzip -1', '-cf', path, '.']);
  return path;
}
