/**
 * What `docs/kubernetes.md` tells operators to type, with the real programs. Helm has its releases in memory and prints
 * what it would send; kubectl does what it is told, at a server that keeps objects.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { documented } from '../support/docs/documented';
import { installTools, type KubernetesObject, runAsync } from '../support/kubernetes/charts';
import { ObjectServer } from '../support/kubernetes/object-server';

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
  installed();
  await shell(documented('docs/kubernetes.md', 'helm plugin install kubernetes/openwhisk'));
}, 240_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  server.objects.clear();
  server.put(NAMESPACE, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'openwhisk' } });
  installed();
});

/** In the project's folder, with this test's chart for OpenWhisk's. */
const shell = (command: string): Promise<string> =>
  runAsync('sh', ['-c', command.replace('openwhisk/openwhisk', join(folder, 'openwhisk'))], { env, cwd: ROOT });

/** Tells Helm of the releases that there are. */
function installed(...names: string[]): void {
  const releases = names.map((name) => {
    const chart = { metadata: { ...METADATA, name } };
    return { name, namespace: 'openwhisk', version: 1, info: { status: 'deployed' }, chart, config: {} };
  });
  writeFileSync(join(folder, 'releases.json'), JSON.stringify(releases));
}

/** What Helm would send: kinds and names. */
async function rendered(command: string): Promise<string[]> {
  const said = await shell(`${command} --dry-run=client`);
  return [...said.matchAll(/^kind: (\w+)\nmetadata:\n(?:  .*\n)*?  name: (\S+)/gm)].map(
    ([, kind, name]) => `${kind} ${name}`,
  );
}

it.each([
  documented(
    'docs/kubernetes.md',
    'helm upgrade --install tetris kubernetes/tetris --namespace openwhisk --set level=1',
  ),
  documented(
    'docs/kubernetes.md',
    'helm upgrade --install tetris kubernetes/tetris --namespace openwhisk --set level=2',
  ),
])('%s', async (command) => {
  const objects = await rendered(command);
  expect(objects).toContain('DaemonSet tetris-tensor-daemon');
  expect(objects.includes('DaemonSet tetris-invoker-extension')).toBe(command.includes('level=2'));
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
  installed('owdev');
  expect(await rendered(command)).toEqual(
    expect.arrayContaining(['StatefulSet owdev-controller', 'StatefulSet owdev-invoker']),
  );
  expect(await shell(`${command} --dry-run=client`)).toContain('nodejs:tetris');
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
  installed('tetris');
  expect(await shell(documented('docs/kubernetes.md', 'helm uninstall tetris'))).toContain('uninstalled');
});
