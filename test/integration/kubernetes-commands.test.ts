/** What `docs/kubernetes.md` tells operators to type, with real Helm and kubectl, against a server that keeps objects. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { documented } from '../support/docs/documented';
import { installTools, type KubernetesObject, runAsync, template } from '../support/kubernetes/charts';
import { ObjectServer } from '../support/kubernetes/object-server';

jest.setTimeout(120_000);

const ROOT = resolve(__dirname, '../..');
const NAMESPACE = '/api/v1/namespaces/openwhisk';
const METADATA = { apiVersion: 'v2', name: 'openwhisk', version: '1.0.1' };

let folder: string;
let server: ObjectServer;
let env: Record<string, string>;

beforeAll(async () => {
  installTools();
  folder = mkdtempSync(join(tmpdir(), 'tetris-commands-'));
  server = new ObjectServer();
  const url = await server.start();
  // A chart that renders what OpenWhisk's does, as far as we touch it.
  mkdirSync(join(folder, 'openwhisk/templates'), { recursive: true });
  writeFileSync(join(folder, 'openwhisk/Chart.yaml'), JSON.stringify(METADATA));
  const release = readFileSync(join(__dirname, '../support/kubernetes/stock-release.yaml'));
  writeFileSync(join(folder, 'openwhisk/templates/release.yaml'), release);
  const cluster = { clusters: [{ name: 'c', cluster: { server: url } }], users: [{ name: 'u', user: {} }] };
  const context = { contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }], 'current-context': 'x' };
  writeFileSync(
    join(folder, 'kubeconfig'),
    JSON.stringify({ apiVersion: 'v1', kind: 'Config', ...cluster, ...context }),
  );
  const homes = ['CACHE', 'CONFIG', 'DATA'].map((kind) => [`HELM_${kind}_HOME`, join(folder, kind)]);
  // Releases are told to Helm anew for each command.
  const memory = { HELM_DRIVER: 'memory', HELM_MEMORY_DRIVER_DATA: join(folder, 'releases.json') };
  env = { ...(Object.fromEntries(homes) as object), ...memory, KUBECONFIG: join(folder, 'kubeconfig') };
  installed({});
  await shell(documented('docs/kubernetes.md', 'helm plugin install kubernetes/openwhisk'));
}, 240_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  server.objects.clear();
  server.put(NAMESPACE, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'openwhisk' } });
  installed({});
});

/** In the project's folder, with this test's chart for OpenWhisk's. */
const shell = (command: string): Promise<string> =>
  runAsync('sh', ['-c', command.replace('openwhisk/openwhisk', join(folder, 'openwhisk'))], { env, cwd: ROOT });

/** Releases that there are: their manifests, by name. */
function installed(manifests: Readonly<Record<string, string>>): void {
  const releases = Object.entries(manifests).map(([name, manifest]) => {
    const chart = { metadata: { ...METADATA, name } };
    return { name, namespace: 'openwhisk', version: 1, info: { status: 'deployed' }, chart, config: {}, manifest };
  });
  writeFileSync(join(folder, 'releases.json'), JSON.stringify(releases));
}

const named = (kind: string): string[] =>
  [...server.objects.values()].filter((each) => each.kind === kind).map(({ metadata }) => metadata.name);

it.each([
  [
    documented(
      'docs/kubernetes.md',
      'helm upgrade --install tetris kubernetes/tetris --namespace openwhisk --set level=1',
    ),
    1,
  ],
  [
    documented(
      'docs/kubernetes.md',
      'helm upgrade --install tetris kubernetes/tetris --namespace openwhisk --set level=2',
    ),
    2,
  ],
])('%s', async (command, level) => {
  await shell(command);
  const daemonSets = ['tetris-tensor-daemon', ...(level === 2 ? ['tetris-invoker-extension'] : [])];
  expect(named('DaemonSet').sort()).toEqual(daemonSets.sort());
});

it.each([
  documented(
    'docs/kubernetes.md',
    'helm upgrade owdev openwhisk/openwhisk --namespace openwhisk --reuse-values --post-renderer tetris --post-renderer-args 1',
  ),
  documented(
    'docs/kubernetes.md',
    'helm upgrade owdev openwhisk/openwhisk --namespace openwhisk --reuse-values --post-renderer tetris --post-renderer-args 2',
  ),
])('%s', async (command) => {
  installed({ owdev: '' });
  await shell(command);
  expect(named('StatefulSet').sort()).toEqual(['owdev-controller', 'owdev-invoker']);
  expect(JSON.stringify([...server.objects.values()])).toContain('nodejs:tetris');
});

it('labels the namespace', async () => {
  await shell(documented('docs/kubernetes.md', 'kubectl label namespace openwhisk'));
  expect(server.objects.get(NAMESPACE)?.metadata.labels).toEqual({
    'pod-security.kubernetes.io/enforce': 'privileged',
  });
});

it('lists instances with their invokers, and which node has which index', async () => {
  const keep = (apiVersion: string, kind: string, path: string, labels: Record<string, string>): KubernetesObject =>
    server.put(`${path}/a`, { apiVersion, kind, metadata: { name: `a-${kind}`, namespace: 'openwhisk', labels } });
  keep('v1', 'Pod', `${NAMESPACE}/pods`, { 'user-action-pod': 'true', 'tetris.invoker': 'invoker7' });
  const leases = '/apis/coordination.k8s.io/v1/namespaces/openwhisk/leases';
  keep('coordination.k8s.io/v1', 'Lease', leases, { 'tetris.claim': 'invoker-index' });
  const pods = await shell(documented('docs/kubernetes.md', 'kubectl get pods --namespace openwhisk'));
  expect(pods).toMatch(/a-Pod .*invoker7/);
  expect(await shell(documented('docs/kubernetes.md', 'kubectl get leases --namespace openwhisk'))).toMatch(/a-Lease/);
});

it('removes all of it again', async () => {
  await shell(
    documented(
      'docs/kubernetes.md',
      'helm upgrade --install tetris kubernetes/tetris --namespace openwhisk --set level=2',
    ),
  );
  expect(server.objects.size).toBeGreaterThan(5);
  installed({ tetris: template('1.34', { level: 2, 'invoker.firstIndex': 1 }) });
  await shell(documented('docs/kubernetes.md', 'helm uninstall tetris'));
  expect([...server.objects.keys()]).toEqual([NAMESPACE]);
});
