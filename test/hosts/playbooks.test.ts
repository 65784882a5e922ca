/**
 * The playbooks on three hosts with a systemd and a Docker engine each: L1, L2, an upgrade of every part one node at a
 * time while activations come, the way back, and nothing left of it all.
 */
import { chmodSync, existsSync, mkdtempSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildModel, perceptron } from '@tetris/bench';
import { type Action, DaemonOperator } from '@tetris/common';
import type { Finding } from '@tetris/doctor';
import { Cluster, type Outcome } from '../support/cluster/cluster';
import { RUNTIME_IMAGE } from '../support/docker/engine';
import { inNamespace, namespaceFolder, note } from '../support/docker/namespace';
import { documented } from '../support/docs/documented';
import type { Change } from '../support/hosts/changes';
import { makeBundles, saveImage, SECOND } from '../support/hosts/deliverables';
import { Host } from '../support/hosts/host';
import { HostNetwork } from '../support/hosts/host-network';
import { Playbooks } from '../support/hosts/playbooks';
import { until } from '../support/until';

const MIB = 1024 ** 2;
const HOSTS = 3;
const BALANCERS = 2;
const PHASE_TIMEOUT_MS = 600_000;
const WAIT_MS = 300_000;
const PER_SECOND = 10;
/** Activations sent and not answered: a machine that answers fewer a second is not buried under them. */
const UNANSWERED_MAX = 10;
const ANSWER_MS_MAX = 120_000;
const SHAPE = { inputs: 64, hidden: 256 };
const STORE_MIB = 256;
const LARGER_STORE_MIB = 320;

const LEVEL_1 = documented('docs/operations.md', 'ansible-playbook tetris.yml -e tetris_level=1');
const LEVEL_2 = documented('docs/operations.md', 'ansible-playbook tetris.yml -e tetris_level=2');
const ROLLBACK = documented('docs/operations.md', 'ansible-playbook tetris.yml -e mode=rollback');
const CLEAN = documented('docs/operations.md', 'ansible-playbook tetris.yml -e mode=clean');
const BUNDLE = documented('docs/operations.md', 'ansible/bundle.sh ansible/tetris.tar.gz');
const DOCTOR = documented('docs/operations.md', 'node /opt/tetris/tensor-daemon/node_modules/@tetris/doctor');
const INGESTS = documented('docs/operations.md', 'node /opt/tetris/tensor-daemon/node_modules/@tetris/tensor-daemon');
const TOTALS = documented('docs/operations.md', 'curl --silent --unix-socket /run/tetris/operator/daemon.sock');

/** Answers with what the model says of an input that `n` decides. */
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
  jest.setTimeout(PHASE_TIMEOUT_MS);
  let hosts: Host[];
  let cluster: Cluster;
  let playbooks: Playbooks;
  let infer: Action;
  let untouched: Map<string, Change>[];
  let newBundle: string;

  beforeAll(async () => {
    const folder = mkdtempSync(join(namespaceFolder(), 'hosts-'));
    for (const each of [namespaceFolder(), folder]) chmodSync(each, 0o755);
    const model = await buildModel(perceptron('perceptron', SHAPE), join(folder, 'models'));
    const network = new HostNetwork();
    hosts = Array.from({ length: HOSTS }, (_, index) => new Host(index, network));
    const booted = Promise.all(hosts.map((host) => host.boot({ '/srv/models': dirname(model.path) })));
    const starting = Cluster.start({ balancers: 0, invokers: 0 });
    const archive = join(folder, 'image.tar');
    await saveImage(archive);
    const [bundle, second] = await makeBundles(folder, BUNDLE.split(' ').slice(2));
    newBundle = second;
    await booted;
    cluster = await starting;
    const ports = [cluster.kafka.port, cluster.redis.port, cluster.couch.port];
    for (const index of hosts.keys()) for (const port of ports) network.forward(index, port);
    untouched = hosts.map((host) => host.changes());
    const files = { tetris_deploy_bundle: bundle, tetris_deploy_image_archive: archive };
    playbooks = new Playbooks(folder, hosts, { ...variablesFor(cluster), ...files });
    infer = await cluster.putAction({
      name: 'infer',
      exec: { kind: 'nodejs:tetris', code: INFER, binary: false },
      limits: { timeout: 60_000, memory: 256, logs: 0, concurrency: 50 },
    });
  });
  afterAll(async () => {
    await Promise.all(hosts.map((host) => host.stop()));
    await cluster.stop();
  });

  const atOnce = { tetris_deploy_serial: HOSTS };
  const larger = { tetris_deploy_store_size: `${LARGER_STORE_MIB}m` };

  it('bring L1 to every node', async () => {
    await playbooks.play(LEVEL_1, atOnce);
    for (const host of hosts) {
      expect(JSON.parse(await host.run('sh', '-c', TOTALS))).toMatchObject({ budgetBytes: STORE_MIB * MIB });
      expect(await host.run('docker', 'images', '--quiet', RUNTIME_IMAGE)).not.toBe('');
      expect(await onNode(host, INGESTS)).toMatch(/none|ingest/i);
    }
  });

  it('bring L2, whose instances share, enlarge the mounted store, and change nothing the second time', async () => {
    await playbooks.play(LEVEL_2, { ...atOnce, ...larger });
    for (const host of hosts) expect((await operator(host).totals()).budgetBytes).toBe(LARGER_STORE_MIB * MIB);
    await balancersHealthy();
    const outcomes = await Promise.all(Array.from({ length: 60 }, (_, n) => cluster.call(infer, { n })));
    expect(outcomes.filter(({ statusCode }) => statusCode !== 0)).toEqual([]);
    expect((await sharing()).size).toBeGreaterThan(0);
    expect(await playbooks.play(LEVEL_2, { ...atOnce, ...larger })).toEqual([]);
  });

  it('leave nothing that the doctor finds wrong', async () => {
    for (const host of hosts) {
      const findings = await examine(host);
      expect(findings.filter(({ status }) => status === 'wrong')).toEqual([]);
      expect(findings.filter(({ status }) => status === 'well').length).toBeGreaterThan(10);
    }
  });

  it('upgrade one node at a time under load: no activation is lost, and no instance has to start again for a daemon', async () => {
    const before = await sharing();
    expect(before.size).toBeGreaterThan(0);
    const startMs = Date.now();
    const daemonsUpgraded = async (): Promise<void> => {
      await until(() => hosts.every((host) => isSecond(host, 'tensor-daemon')), 'every daemon is new', WAIT_MS);
      expect(hosts.some((host) => isSecond(host, 'invoker-extension'))).toBe(false);
      const shareAgain = async (): Promise<boolean> => {
        const [now, running] = await Promise.all([sharing(startMs), instances()]);
        const stayed = running.filter((instance) => before.has(instance));
        return stayed.length > 0 && stayed.every((instance) => now.has(instance));
      };
      await until(shareAgain, 'instances that ran before have leases of the new daemons', WAIT_MS);
    };
    const upgrade = playbooks.play(LEVEL_2, { ...larger, tetris_deploy_bundle: newBundle });
    await underLoad(() => Promise.all([upgrade, daemonsUpgraded()]));
    expect(hosts.every((host) => isSecond(host, 'invoker-extension'))).toBe(true);
    expect((await sharing()).size).toBeGreaterThan(0);
  });

  it('go back to the bundle before', async () => {
    await playbooks.play(ROLLBACK, atOnce);
    for (const name of ['tensor-daemon', 'invoker-extension']) {
      expect(hosts.filter((host) => isSecond(host, name))).toEqual([]);
    }
    await balancersHealthy();
    expect(await cluster.call(infer, { n: 1 })).toMatchObject({ statusCode: 0 });
  });

  it('leave nothing behind', async () => {
    await playbooks.play(CLEAN, atOnce);
    for (const [index, host] of hosts.entries()) expect(host.changes()).toEqual(untouched[index]);
  });

  function balancersHealthy(): Promise<void> {
    const healthy = (): number => cluster.controller.states().filter((state) => state === 'healthy').length;
    return until(() => healthy() >= BALANCERS, 'the controller takes the load balancers for healthy', WAIT_MS);
  }

  const operator = (host: Host): DaemonOperator => new DaemonOperator(host.path('/run/tetris/operator/daemon.sock'));
  /** Whether a host runs the second bundle's. Links are the host's own: from here they lead elsewhere. */
  const isSecond = (host: Host, service: string): boolean =>
    existsSync(host.path(join(readlinkSync(host.path(`/opt/tetris/${service}`)), SECOND)));

  /** What is documented for `node`, by this machine's. */
  const onNode = (host: Host, command: string): Promise<string> =>
    host.run('sh', '-c', command.replace('node', process.execPath));

  /** Instances that have a lease, by their tokens. @param sinceMs of a lease that counts */
  async function sharing(sinceMs = 0): Promise<Set<string>> {
    const rows = await Promise.all(
      hosts.map((host) =>
        operator(host)
          .leases()
          .catch(() => []),
      ),
    );
    const leases = rows.flat().filter((lease) => lease.sinceMs >= sinceMs);
    return new Set(leases.map(({ instance }) => instance));
  }

  /** Instances whose containers run and are not paused, as idle ones are. */
  async function instances(): Promise<string[]> {
    const command = ['docker', 'ps', '--filter', 'status=running', '--format', '{{.Label "tetris.instance"}}'];
    const lists = await Promise.all(hosts.map((host) => host.run(...command)));
    return lists.flatMap((list) => list.split('\n'));
  }

  async function examine(host: Host): Promise<Finding[]> {
    const command = DOCTOR.replace('tetris/action-nodejs-tetris:0.1.0', RUNTIME_IMAGE);
    return JSON.parse(await onNode(host, `${command} --json || true`)) as Finding[];
  }

  /** Sends activations at an even pace for as long as something is done. @throws where one is not answered well */
  async function underLoad(work: () => Promise<unknown>): Promise<void> {
    const answers: Promise<Outcome>[] = [];
    let unanswered = 0;
    const send = (): void => {
      if (unanswered >= UNANSWERED_MAX) return;
      const answer = cluster.call(infer, { n: answers.length }, ANSWER_MS_MAX);
      answers.push(answer);
      unanswered += 1;
      const answered = (): void => void (unanswered -= 1);
      answer.then(answered, answered); // a failure is told below
    };
    const sender = setInterval(send, 1000 / PER_SECOND);
    await work().finally(() => clearInterval(sender));
    const outcomes = await Promise.allSettled(answers);
    const lost = outcomes.filter((each) => each.status === 'rejected' || each.value.statusCode !== 0);
    note(`${outcomes.length} activations, ${lost.length} lost`);
    expect(lost.slice(0, 5)).toEqual([]);
  }
});

/** What all plays are told: where the servers are, and what the hosts are like. */
function variablesFor({ kafka, redis, couch }: Cluster): Record<string, unknown> {
  return {
    ansible_become: false,
    ansible_python_interpreter: '/usr/bin/python3',
    tetris_deploy_node: process.execPath,
    tetris_deploy_image: RUNTIME_IMAGE,
    tetris_deploy_image_tag: 'test',
    tetris_deploy_store_size: `${STORE_MIB}m`,
    tetris_deploy_model_roots: ['/srv/models'],
    tetris_deploy_kafka_brokers: [kafka.broker],
    tetris_deploy_redis_url: redis.url,
    tetris_deploy_couch_url: couch.url,
    tetris_deploy_hide_settings: false,
    tetris_invoker_memory: '3g',
    tetris_balancer_controllers: '0',
  };
}
