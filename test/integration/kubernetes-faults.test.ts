/**
 * A thousand pods through an API server at its worst: calls refused, answers lost, watches lost and expired, the server
 * itself and
 * the invoker started again. Whatever happens, every activation is answered, and no pod, view or log is left.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { type KubernetesFactory, podRequest } from '@tetris/invoker-extension';
import { TestDaemon } from '../support/daemon';
import { containerSpec } from '../support/docker/action-container';
import { aMessage, aStoredAction } from '../support/invoker';
import { InvokerBench } from '../support/invoker-bench';
import { KubernetesCluster } from '../support/kubernetes/cluster';
import { lightRuntime } from '../support/kubernetes/light-runtime';
import { type ApiRequest } from '../support/kubernetes/api-server';
import { Refusal } from '../support/kubernetes/pod-store';
import { fractionsFrom, testSeed } from '../support/random';
import { until } from '../support/until';

jest.setTimeout(180_000);

const PODS = 1000;
const LOST_WATCHES_MS = 500;
const EXPIRED_EVERY = 4;
/** Of all calls. */
const REFUSED = 0.04;
const CUT = 0.04;
const ORPHANS = 20;
const EVICTIONS = 10;

let daemon: TestDaemon;
let cluster: KubernetesCluster;
const invokers: InvokerBench[] = [];
const random = fractionsFrom(testSeed());

beforeAll(async () => {
  daemon = new TestDaemon();
  await daemon.start();
  cluster = await KubernetesCluster.start({ runtime: lightRuntime, server: { bookmarkMs: 50 } });
});
afterAll(async () => {
  for (const { extension } of invokers) await extension.stop();
  await cluster.stop();
  await daemon.dispose();
});

const factory = (): KubernetesFactory =>
  cluster.factory({
    daemonSocketPath: join(daemon.folder, 'instance.sock'),
    keys: { kubernetesCallTimeoutMs: 2000, kubernetesParallelCreates: 50 },
  });

/** Another invoker process over the same cluster and daemon. */
const invoker = (): Promise<InvokerBench> =>
  new InvokerBench({
    factory: factory(),
    actions: [aStoredAction()],
    config: {
      memory: '16g',
      startsMax: 50,
      keepAliveMs: 2000,
      pauseGraceMs: 1000,
      drainMs: 5000,
      logWaitMs: 20_000,
      waitMaxMs: 120_000,
    },
    parts: { daemon: daemon.operator },
  }).start();

/** Activations of namespaces of their own, so that each needs a pod of its own. */
const messages = (count: number, round: number): unknown[] =>
  Array.from({ length: count }, (_, index) => {
    const message = aMessage({ content: { index } });
    const namespace = { ...message.user.namespace, name: `tenant-${round}-${index}` };
    return { ...message, user: { ...message.user, namespace } };
  });

/** Pods of a life of the invoker that was killed. */
function leaveOrphans(): void {
  const settings = { config: cluster.config(), invoker: 'invoker0', life: 'before', extraSpec: {}, modelRoots: [] };
  for (let count = 0; count < ORPHANS; count += 1) {
    cluster.server.pods.create(podRequest(containerSpec(), settings), cluster.server.namespace);
  }
}

/** Refuses and breaks some of the calls, before or after their effect. */
function sabotage(): void {
  const unlucky = (share: number): boolean => random() < share;
  cluster.server.faults = {
    before: ({ method, watch }: ApiRequest) => {
      if (unlucky(REFUSED))
        throw new Refusal(429, 'TooManyRequests', 'too many requests', unlucky(0.1) ? 1 : undefined);
      if (method !== 'GET' && unlucky(REFUSED)) throw new Refusal(409, 'Conflict', 'the object has been modified');
      if (watch && unlucky(REFUSED)) throw new Refusal(410, 'Expired', 'too old resource version');
      if (unlucky(REFUSED / 4)) throw new Refusal(503, 'ServiceUnavailable', 'etcd has no leader');
      return unlucky(CUT) ? 'cut' : undefined;
    },
    after: () => (unlucky(CUT) ? 'cut' : undefined),
  };
}

/** Loses and expires watches until told to stop. */
function loseWatches(): () => void {
  let losses = 0;
  const timer = setInterval(() => {
    losses += 1;
    if (losses % EXPIRED_EVERY === 0) cluster.server.expireWatches();
    else cluster.server.loseWatches();
  }, LOST_WATCHES_MS);
  return () => clearInterval(timer);
}

async function restartServer(): Promise<void> {
  await cluster.server.stop();
  await sleep(500);
  await cluster.server.start();
}

async function evictSome(): Promise<void> {
  for (let count = 0; count < EVICTIONS; count += 1) {
    const names = cluster.pods();
    cluster.kubelet.evict(names[Math.floor(random() * names.length)] ?? '');
    await sleep(100);
  }
}

it(`answers everything and leaves nothing of ${PODS} pods, whatever the API server does`, async () => {
  let created = 0;
  cluster.server.pods.follow(cluster.server.pods.version, ({ type }) => (created += Number(type === 'ADDED')));
  leaveOrphans();
  sabotage();
  const stopLosing = loseWatches();
  const failed: number[] = [];
  for (const round of [0, 1]) {
    const subject = await invoker();
    invokers.push(subject);
    await subject.send(...messages(PODS / 2, round));
    await subject.freed(PODS / 20);
    await Promise.all([restartServer(), evictSome()]);
    await subject.freed(PODS / 2, 120_000);
    await subject.extension.stop();
    invokers.pop();
    expect(new Set(subject.records.map(({ activationId }) => activationId)).size).toBe(PODS / 2);
    failed.push(...subject.records.map(({ response }) => response.statusCode).filter((status) => status !== 0));
  }
  stopLosing();
  cluster.server.faults = {};
  expect(created).toBeGreaterThanOrEqual(PODS);
  expect(failed.length).toBeLessThanOrEqual(2 * EVICTIONS);
  await until(() => cluster.pods().length === 0);
  expect(cluster.kubelet.running).toBe(0);
  expect(cluster.leftOnNode()).toEqual([]);
  expect(await daemon.operator.instances()).toEqual([]);
  expect(daemon.files('views')).toEqual([]);
});
