/** What a cluster refuses, ends or leaves waiting, and by which code an operator learns it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, type Logger } from '@tetris/common';
import { claimIndex, KubernetesClient, type PodStatus } from '@tetris/invoker-extension';
import { nodeCertificate } from '../support/certificates';
import { collectLogs, containerSpec, invoke, resultOf } from '../support/docker/action-container';
import { KubernetesCluster } from '../support/kubernetes/cluster';
import { lightRuntime } from '../support/kubernetes/light-runtime';
import { Refusal } from '../support/kubernetes/pod-store';
import { until } from '../support/until';

/** What the kubelet says of the next pods instead of running them. */
let refused: PodStatus | undefined;
let cluster: KubernetesCluster;

beforeAll(async () => {
  cluster = await KubernetesCluster.start({ runtime: lightRuntime, refuse: () => refused });
});
afterEach(() => {
  refused = undefined;
  cluster.server.faults = {};
  cluster.kubelet.keepsLogs = true;
  expect(cluster.pods()).toEqual([]);
});
afterAll(() => cluster.stop());

/** Why no container starts: the code of the cause, and its text. */
async function causeOfFailure(keys: Record<string, unknown> = {}): Promise<[code: unknown, text: string]> {
  const factory = cluster.factory({ keys });
  try {
    await factory.create(containerSpec());
    return ['it started', ''];
  } catch (error) {
    const { code, message, cause } = error as { code: string; message: string; cause: { code?: string } };
    expect(code).toBe('ERR_CONTAINER_START');
    return [cause.code, message];
  } finally {
    await factory.close();
  }
}

const waiting = (reason: string): PodStatus => ({
  phase: 'Pending',
  containerStatuses: [{ name: 'user-action', state: { waiting: { reason, message: 'because' } } }],
});

describe('a pod that the API server refuses', () => {
  it.each([
    ['ERR_POD_QUOTA', 403, 'Forbidden', 'pods "a" is forbidden: exceeded quota: q, requested: memory=256Mi, used: 1Gi'],
    [
      'ERR_POD_ADMISSION',
      403,
      'Forbidden',
      'pods "a" is forbidden: violates PodSecurity "restricted:latest": hostPath',
    ],
    ['ERR_POD_ADMISSION', 422, 'Invalid', "ValidatingAdmissionPolicy 'tetris' denied request: read-only"],
    ['ERR_POD_ADMISSION', 400, 'BadRequest', 'admission webhook "policy.example.org" denied the request'],
    ['ERR_POD_FORBIDDEN', 403, 'Forbidden', 'User "system:serviceaccount:a:b" cannot create resource "pods"'],
    ['ERR_KUBERNETES_API', 401, 'Unauthorized', 'Unauthorized'],
  ])('expected failure: is %s where it says %i %s: %s', async (code, status, reason, text) => {
    cluster.server.faults.admit = (): void => {
      throw new Refusal(status, reason, text);
    };
    expect(await causeOfFailure()).toEqual([code, expect.stringContaining(text)]);
  });
});

describe('a pod that does not start', () => {
  it.each([
    ['ERR_POD_IMAGE', waiting('ErrImagePull')],
    ['ERR_POD_IMAGE', waiting('ImagePullBackOff')],
    ['ERR_POD_ENDED', waiting('CreateContainerConfigError')],
    ['ERR_POD_NODE', { phase: 'Failed', reason: 'OutOfmemory', message: 'Node did not have enough resource' }],
    ['ERR_POD_EVICTED', { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource' }],
    [
      'ERR_POD_EVICTED',
      {
        phase: 'Failed',
        conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', message: 'm' }],
      },
    ],
  ] as [string, PodStatus][])('expected failure: is %s by its status %j', async (code, status) => {
    refused = status;
    expect((await causeOfFailure())[0]).toBe(code);
  });

  it('expected failure: is ERR_POD_NODE where the scheduler finds no room in time', async () => {
    const message = '0/1 nodes are available: 1 Insufficient memory.';
    refused = {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
    };
    expect(await causeOfFailure({ kubernetesStartMs: 200 })).toEqual([
      'ERR_POD_NODE',
      expect.stringContaining(message),
    ]);
  });

  it('expected failure: is ERR_POD_TIMEOUT with the last event where a mount is waited for', async () => {
    refused = { phase: 'Pending' };
    const message = 'hostPath type check failed: /run/tetris/instance is not a directory';
    const unfollow = cluster.server.pods.follow(cluster.server.pods.version, ({ object }) => {
      cluster.server.events.push({ reason: 'FailedMount', message, uid: object.metadata.uid ?? '' });
    });
    const [code, text] = await causeOfFailure({ kubernetesStartMs: 200 });
    unfollow();
    expect(code).toBe('ERR_POD_TIMEOUT');
    expect(text).toContain(`FailedMount: ${message}`);
  });
});

describe('a pod that runs', () => {
  /** A logger, and what it was told at level warn. */
  function listeningLogger(): { log: Logger; warnings: { code?: string }[] } {
    const warnings: { code?: string }[] = [];
    const log = createLogger('invoker', 'silent');
    return {
      log: Object.assign(Object.create(log) as Logger, { warn: (fields: object) => warnings.push(fields) }),
      warnings,
    };
  }

  it.each([
    ['ERR_POD_EVICTED', (name: string) => cluster.kubelet.evict(name)],
    ['ERR_POD_ENDED', (name: string) => cluster.kubelet.crash(name)],
    ['ERR_POD_GONE', (name: string) => cluster.server.pods.delete(name)],
  ])('expected failure: is told to have ended as %s', async (code, end) => {
    const { log, warnings } = listeningLogger();
    const factory = cluster.factory({ log });
    const container = await factory.create(containerSpec());
    end(container.name);
    await container.ended;
    expect(warnings.map((warning) => warning.code)).toEqual([code]);
    await factory.close();
  });

  it('is asked of the API server for its output where the node has no file of it', async () => {
    cluster.kubelet.keepsLogs = false;
    const factory = cluster.factory();
    const container = await factory.create(containerSpec());
    const lines = collectLogs(container);
    await resultOf(invoke(container, { a: 1 }));
    await until(() => lines.length === 2);
    expect(lines.map(({ stream }) => stream)).toEqual(['stdout', 'stdout']);
    await factory.close();
  });

  it('requests what instances were measured to use, at most its limit', async () => {
    const factory = cluster.factory();
    const MIB = 1024 ** 2;
    const requests = [undefined, 10 * MIB, 100 * MIB, 900 * MIB].map(async (expectedBytes) => {
      const { name } = await factory.create(containerSpec(expectedBytes === undefined ? {} : { expectedBytes }));
      return cluster.server.pods.get(name).spec.containers[0]?.resources?.requests?.['memory'];
    });
    expect(await Promise.all(requests)).toEqual(['256Mi', '64Mi', '100Mi', '256Mi']);
    await factory.close();
  });

  it('is one pod though the answer to its creation was lost', async () => {
    let lost = 0;
    cluster.server.faults.after = ({ method }): 'cut' | undefined =>
      method === 'POST' && lost++ === 0 ? 'cut' : undefined;
    const factory = cluster.factory();
    const container = await factory.create(containerSpec());
    expect(lost).toBe(1);
    expect(cluster.pods()).toEqual([container.name]);
    await factory.close();
  });
});

describe('the API server', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tetris-api-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is known by its authority, and knows the invoker by its token', async () => {
    const { peerTlsCertPath: cert, peerTlsKeyPath: key, peerTlsCaPath: ca } = nodeCertificate(folder);
    const tls = { cert: readFileSync(cert), key: readFileSync(key) };
    const token = join(folder, 'token');
    writeFileSync(token, 'good\n');
    const secured = await KubernetesCluster.start({
      runtime: lightRuntime,
      server: { tls, tokens: new Set(['good']) },
    });
    const factory = secured.factory({ keys: { kubernetesCaPath: ca, kubernetesTokenPath: token } });
    const container = await factory.create(containerSpec());
    expect(await resultOf(invoke(container, { a: 1 }))).toEqual({ a: 1 });
    await factory.close();
    const stranger = secured.factory({ keys: { kubernetesCaPath: ca, kubernetesStartMs: 300 } });
    await expect(stranger.create(containerSpec())).rejects.toMatchObject({ message: expect.stringContaining('401') });
    await stranger.close();
    await secured.stop();
  });

  it('gives each node an index of its own, and the same one again', async () => {
    const client = new KubernetesClient({
      url: cluster.server.url,
      namespace: cluster.server.namespace,
      callTimeoutMs: 5000,
    });
    const nodes = ['a', 'b', 'c'];
    for (const name of nodes) cluster.server.nodes.create({ metadata: { name } }, '');
    const claim = (node: string): Promise<number> => claimIndex({ client, node, first: 2 });
    const indices = await Promise.all(nodes.map(claim));
    expect([...indices].sort()).toEqual([2, 3, 4]);
    expect(await Promise.all(nodes.map(claim))).toEqual(indices);
    // The cluster removes what belongs to a node with the node.
    const [first = 0] = indices;
    cluster.server.leases.delete(`tetris-invoker-${first}`);
    expect(await claim('node-1')).toBe(first);
    await client.close();
  });
});
