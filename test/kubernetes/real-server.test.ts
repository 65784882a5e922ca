/**
 * What the tests' own API server stands for, against a real one: it takes the pods, refuses them for the same reasons
 * in words
 * that are understood, and its watches are followed. Part of no other run: see `docs/kubernetes.md`.
 *
 *     KUBE_APISERVER=/path/to/kube-apiserver ETCD=/path/to/etcd npm run test:kubernetes
 */
import { configSchema, createLogger, readConfig } from '@tetris/common';
import {
  claimIndex,
  KUBERNETES_KEYS,
  KubernetesClient,
  KubernetesFactory,
  podRequest,
} from '@tetris/invoker-extension';
import { containerSpec } from '../support/docker/action-container';
import { installTools, template } from '../support/kubernetes/charts';
import { RealServer } from '../support/kubernetes/real-server';
import { until } from '../support/until';

const NAMESPACE = 'openwhisk';
const INVOKER = { user: `system:serviceaccount:${NAMESPACE}:tetris-invoker-extension`, token: 'invoker-token' };
const STRANGER = { user: `system:serviceaccount:${NAMESPACE}:stranger`, token: 'stranger-token' };
const NODE = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } };

let server: RealServer;
beforeAll(async () => {
  installTools();
  const { KUBE_APISERVER: apiserver = 'kube-apiserver', ETCD: etcd = 'etcd' } = process.env;
  const users = { [INVOKER.user]: INVOKER.token, [STRANGER.user]: STRANGER.token };
  server = await RealServer.start(apiserver, etcd, users);
  server.kubectl(['create', 'namespace', NAMESPACE]);
  server.kubectl(['apply', '-f', '-'], JSON.stringify(NODE));
  server.kubectl(['apply', '--namespace', NAMESPACE, '-f', '-'], template('1.34', { level: 2 }));
  // The policy is known to the server's admission a moment after it is stored.
  await until(() => isRefused(podOf({ viewPath: '/etc' })), 'the admission policy is in force');
});
afterAll(() => server?.stop());

const config = (token = INVOKER.token, keys: Record<string, unknown> = {}): ReturnType<typeof readKeys> =>
  readKeys({
    kubernetesUrl: server.url,
    kubernetesCaPath: server.caPath,
    kubernetesTokenPath: server.tokenPath(token),
    kubernetesNamespace: NAMESPACE,
    kubernetesNode: 'node-1',
    kubernetesStartMs: 2000,
    ...keys,
  });
const readKeys = (keys: Record<string, unknown>) => readConfig(configSchema('invoker', KUBERNETES_KEYS), {}, keys);

const factory = (token?: string, keys?: Record<string, unknown>): KubernetesFactory =>
  new KubernetesFactory({
    config: config(token, keys),
    invoker: 'invoker0',
    daemonSocketPath: '/run/tetris/instance/daemon.sock',
    log: createLogger('invoker', 'silent'),
  });

const client = (token: string): KubernetesClient =>
  new KubernetesClient({
    url: server.url,
    caPath: server.caPath,
    namespace: NAMESPACE,
    tokenPath: server.tokenPath(token),
    callTimeoutMs: 10_000,
  });

/** A pod as the invoker extension makes it. */
const podOf = (change: Parameters<typeof containerSpec>[0] = {}): ReturnType<typeof podRequest> =>
  podRequest(containerSpec({ viewPath: '/dev/shm/tetris/views/abc', ...change }), {
    config: config(),
    invoker: 'other',
    life: 'x',
    extraSpec: {},
    modelRoots: [],
    daemonSocketPath: '/run/tetris/instance/daemon.sock',
  });

function isRefused(pod: ReturnType<typeof podOf>): boolean {
  try {
    server.kubectl(['create', '--namespace', NAMESPACE, '--dry-run=server', '-f', '-'], JSON.stringify(pod));
    return false;
  } catch {
    return true;
  }
}

const pods = (): string => server.kubectl(['get', 'pods', '--namespace', NAMESPACE, '--output', 'name']).trim();

async function causeOfFailure(subject: KubernetesFactory, viewPath = '/dev/shm/tetris/views/abc'): Promise<unknown> {
  try {
    await subject.create(containerSpec({ viewPath }));
    return 'it started';
  } catch (error) {
    return (error as { cause: { code?: string } }).cause.code;
  } finally {
    await subject.close();
  }
}

it('takes the pod of an instance, tells how it fares by the watch, and lets it be removed', async () => {
  // There is no node that could run it.
  expect(await causeOfFailure(factory())).toBe('ERR_POD_TIMEOUT');
  expect(pods()).toBe('');
});

it("removes an earlier run's pods by their label", async () => {
  const orphan = podOf();
  orphan.metadata.labels = { ...orphan.metadata.labels, 'tetris.invoker': 'invoker0' };
  server.kubectl(['create', '--namespace', NAMESPACE, '-f', '-'], JSON.stringify(orphan));
  const subject = factory();
  expect(await subject.removeOrphans()).toEqual([orphan.metadata.annotations?.['tetris.instance']]);
  await subject.close();
  expect(pods()).toBe('');
});

it('expected failure: whoever has no right to make pods is told so', async () => {
  const list = { verbs: ['list', 'watch'], resources: ['pods'], apiGroups: [''] };
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'reader' },
    rules: [list],
  };
  server.kubectl(['apply', '--namespace', NAMESPACE, '-f', '-'], JSON.stringify(role));
  server.kubectl([
    'create',
    'rolebinding',
    'reader',
    '--role=reader',
    `--user=${STRANGER.user}`,
    '--namespace',
    NAMESPACE,
  ]);
  expect(await causeOfFailure(factory(STRANGER.token))).toBe('ERR_POD_FORBIDDEN');
});

describe('the admission policy of the chart', () => {
  it('lets through what the invoker extension makes', () => {
    expect(isRefused(podOf())).toBe(false);
  });

  it.each(['/etc', '/dev/shm/tetris/store', '/dev/shm/tetris/views/../../..', '/run/tetris/operator'])(
    'expected failure: refuses the host path %s',
    async (viewPath) => {
      expect(await causeOfFailure(factory(), viewPath)).toBe('ERR_POD_ADMISSION');
    },
  );

  it('expected failure: refuses host paths that can be written, and privileged containers', () => {
    const writable = podOf();
    for (const mount of writable.spec.containers[0]?.volumeMounts ?? []) delete mount.readOnly;
    expect(isRefused(writable)).toBe(true);
    const privileged = podOf();
    for (const container of privileged.spec.containers) container.securityContext = { privileged: true };
    expect(isRefused(privileged)).toBe(true);
  });

  it('does not concern other pods', () => {
    const other = podOf({ viewPath: '/etc' });
    other.metadata.labels = {};
    expect(isRefused(other)).toBe(false);
  });
});

it('expected failure: a quota that is used up is told as such', async () => {
  server.kubectl(['create', 'quota', 'none', '--hard=pods=0', '--namespace', NAMESPACE]);
  // What the controller manager would write, which does not run here.
  const status = JSON.stringify({ status: { hard: { pods: '0' }, used: { pods: '0' } } });
  const patch = ['--subresource=status', '--type=merge', `--patch=${status}`];
  server.kubectl(['patch', 'quota', 'none', '--namespace', NAMESPACE, ...patch]);
  try {
    await until(async () => (await causeOfFailure(factory())) === 'ERR_POD_QUOTA');
  } finally {
    server.kubectl(['delete', 'quota', 'none', '--namespace', NAMESPACE]);
  }
});

it('gives a node an index by a lease that is the node’s, with the rights that the chart gives', async () => {
  const api = client(INVOKER.token);
  expect(await claimIndex({ client: api, node: 'node-1', first: 1 })).toBe(1);
  expect(await claimIndex({ client: api, node: 'node-1', first: 1 })).toBe(1);
  await api.close();
});
