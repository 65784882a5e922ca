/**
 * The charts, as far as they can be tried without a cluster: what Helm renders, for every version, against its schema.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConfigSchema, configSchema, readConfig } from '@tetris/common';
import { invokerConfig, KUBERNETES_KEYS, podRequest } from '@tetris/invoker-extension';
import { balancerConfig } from '@tetris/load-balancer';
import { DAEMON_CONFIG } from '@tetris/tensor-daemon';
import {
  golden,
  installTools,
  type KubernetesObject,
  KUBERNETES,
  postRender,
  run,
  template,
  validate,
  VERSIONS,
} from '../support/kubernetes/charts';

jest.setTimeout(180_000);

const NEWEST = VERSIONS.at(-1) ?? '';
/** Values that make everything that the chart can make. */
const EVERYTHING = {
  level: 2,
  'store.mount': true,
  modelRoots: ['/srv/models', '/srv/more'],
  'image.pullSecrets': ['registry'],
  'invoker.stemCells': ['nodejs:tetris@256m=2'],
  'loadBalancer.replicas': 2,
  'networkPolicy.metricsFrom': [
    { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
  ],
};
const RELEASE = readFileSync(join(__dirname, '../support/kubernetes/stock-release.yaml'), 'utf8');

interface Container {
  name: string;
  env?: { name: string; value?: string }[];
  resources?: { requests: Record<string, string>; limits: Record<string, string> };
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
}

let folder: string;
beforeAll(() => {
  installTools();
  folder = mkdtempSync(join(tmpdir(), 'tetris-charts-'));
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes text as a file for the validator. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Objects of a rendered text. */
function objects(text: string): KubernetesObject[] {
  return validate([], [file('objects.yaml', text)]).objects;
}

function containersOf(object: KubernetesObject | undefined): Container[] {
  const { spec } = object as unknown as { spec: { template: { spec: { containers: Container[] } } } };
  return spec.template.spec.containers;
}

const find = (all: KubernetesObject[], kind: string, name: string): KubernetesObject | undefined =>
  all.find((each) => each.kind === kind && each.metadata.name === name);

describe('the chart tetris', () => {
  it.each([1, 2])('passes helm lint at level %i', (level) => {
    const output = run('helm', ['lint', '--strict', join(KUBERNETES, 'tetris'), '--set', `level=${level}`]);
    expect(output).toContain('0 chart(s) failed');
  });

  it.each([
    ['level-1.yaml', { level: 1 }],
    ['level-2.yaml', { level: 2 }],
    ['everything.yaml', EVERYTHING],
  ])('renders what %s holds', (name, values) => {
    const rendered = template(NEWEST, values);
    expect(rendered).toBe(golden(name, rendered));
  });

  it('is good by the strict schema of every version that it is for', () => {
    for (const version of VERSIONS) {
      const files = [{ level: 1 }, { level: 2 }, EVERYTHING].map((values, index) =>
        file(`${version}-${index}.yaml`, template(version, values)),
      );
      expect(validate([version], files).problems).toEqual([]);
    }
  });

  it('expected failure: the schemas refuse a misspelt field', () => {
    const text = template('1.25', { level: 1 }).replace('readOnlyRootFilesystem', 'readonlyRootFilesystem');
    const { problems } = validate(VERSIONS, [file('misspelt.yaml', text)]);
    expect(problems).toHaveLength(VERSIONS.length);
  });

  it('has an admission policy from Kubernetes 1.30 on, where it is wanted', () => {
    const kinds = (version: string, values = {}): string[] =>
      objects(template(version, values)).map(({ kind }) => kind);
    expect(kinds('1.25')).not.toContain('ValidatingAdmissionPolicy');
    expect(kinds('1.32')).toContain('ValidatingAdmissionPolicy');
    expect(kinds('1.32', { 'admissionPolicy.enabled': false })).not.toContain('ValidatingAdmissionPolicy');
  });

  it('requests for the daemon what the store may hold and what it needs beside, as its limit too', () => {
    const all = objects(template(NEWEST, { 'store.sizeMiB': 8192, 'store.headroomMiB': 1024 }));
    const [daemon] = containersOf(find(all, 'DaemonSet', 'tetris-tensor-daemon'));
    expect(daemon?.resources?.requests['memory']).toBe('9216Mi');
    expect(daemon?.resources?.limits['memory']).toBe('9216Mi');
    expect(daemon?.env).toContainEqual({ name: 'TETRIS_DAEMON_STORE_BYTES_MAX', value: '8192m' });
  });

  it('tells components only what they know', () => {
    const config = {
      'daemon.config': { sharing: 'namespace', urlSources: ['https://models.example.org/'] },
      'invoker.config': { kubernetesReadOnlyRoot: true, sloMs: 300 },
      'loadBalancer.config': { userMemory: '32g' },
    };
    const all = objects(template(NEWEST, { ...EVERYTHING, ...config }));
    const schemas: [ConfigSchema, string, string][] = [
      [DAEMON_CONFIG, 'DaemonSet', 'tetris-tensor-daemon'],
      [invokerConfig, 'DaemonSet', 'tetris-invoker-extension'],
      [balancerConfig, 'Deployment', 'tetris-load-balancer-1'],
    ];
    for (const [schema, kind, name] of schemas) {
      const [container] = containersOf(find(all, kind, name));
      const env = Object.fromEntries(
        (container?.env ?? []).flatMap(({ name: key, value }) => (value ? [[key, value]] : [])),
      );
      expect(() => readConfig(schema, env)).not.toThrow();
    }
  });

  it('bad call: a value that there is not, or of another type, is refused', () => {
    expect(() => template(NEWEST, { 'store.sizeMib': 1 })).toThrow(/additional properties 'sizeMib' not allowed/);
    expect(() => template(NEWEST, { level: 3 })).toThrow(/level/);
  });

  it('describes every value', () => {
    const schema = JSON.parse(readFileSync(join(KUBERNETES, 'tetris/values.schema.json'), 'utf8')) as Described;
    const undescribed = [...leaves(schema)].filter(({ described }) => !described).map(({ path }) => path);
    expect(undescribed).toEqual(['global']);
    const values = run('helm', ['show', 'values', join(KUBERNETES, 'tetris')]);
    for (const { path } of leaves(schema)) {
      if (path !== 'global') expect(values).toMatch(new RegExp(`^ *${path.split('.').at(-1)}:`, 'm'));
    }
  });
});

interface Described {
  description?: string;
  properties?: Record<string, Described>;
}

function* leaves(schema: Described, path = ''): Generator<{ path: string; described: boolean }> {
  for (const [name, value] of Object.entries(schema.properties ?? {})) {
    const own = path === '' ? name : `${path}.${name}`;
    if (value.properties === undefined) yield { path: own, described: value.description !== undefined };
    else yield* leaves(value, own);
  }
}

describe('the pod template for stock invokers', () => {
  it('is a pod by the strict schemas, whose folders of the node are read-only', () => {
    const all = objects(template(NEWEST, { modelRoots: ['/srv/models'] }));
    const { data } = find(all, 'ConfigMap', 'tetris-pod-template') as unknown as { data: Record<string, string> };
    const { problems, objects: pods } = validate(VERSIONS, [file('pod.yaml', data['pod.yaml'] ?? '')]);
    expect(problems).toEqual([]);
    const { spec } = pods[0] as unknown as { spec: { containers: Container[] } };
    const mounts = spec.containers[0]?.volumeMounts ?? [];
    expect(mounts.map(({ mountPath }) => mountPath)).toEqual(['/tetris/views', '/run/tetris', '/srv/models']);
    expect(mounts.every(({ readOnly }) => readOnly)).toBe(true);
    expect(data['modelRoots']).toBe('TETRIS_RUNTIME_MODEL_ROOTS=/srv/models');
  });
});

describe('the pod of an instance', () => {
  it('is good by the strict schemas', () => {
    const keys = { kubernetesNode: 'node-1', kubernetesOwnerName: 'me', kubernetesOwnerUid: 'u' };
    const config = readConfig(configSchema('invoker', KUBERNETES_KEYS), {}, keys);
    const settings = {
      config,
      invoker: 'invoker0',
      life: 'abcdef',
      extraSpec: {},
      daemonSocketPath: '/run/tetris/instance/daemon.sock',
      modelRoots: [{ inside: '/models', outside: '/srv/models' }],
    };
    const spec = { name: '1_guest_a', kind: 'nodejs:tetris', memoryBytes: 2 ** 28, instance: 't', env: {}, cpus: 2 };
    const pods = [settings, { ...settings, config: { ...config, kubernetesPlacement: 'direct' as const } }].map(
      (each, index) =>
        file(`pod-${index}.json`, JSON.stringify(podRequest({ ...spec, viewPath: '/dev/shm/tetris/views/t' }, each))),
    );
    expect(validate(VERSIONS, pods).problems).toEqual([]);
  });
});

describe('the post-renderer of OpenWhisk’s chart', () => {
  it.each([1, 2] as const)('adds what level %i needs, and changes nothing else', (level) => {
    const rendered = postRender(level, RELEASE);
    expect(rendered).toBe(golden(`openwhisk-${level}.yaml`, rendered));
    expect(validate(VERSIONS, [file(`openwhisk-${level}.yaml`, rendered)]).problems).toEqual([]);
  });

  it('adds the kind with its image to whatever manifest the release has', () => {
    const upgraded = RELEASE.replaceAll('nodejs:14', 'nodejs:20').replaceAll('ef725a6', '2.0.0');
    const env = { TETRIS_ACTION_IMAGE: 'registry.example.org:5000/ours/action:1.2' };
    for (const name of ['owdev-controller', 'owdev-invoker']) {
      const [container] = containersOf(find(objects(postRender(1, upgraded, env)), 'StatefulSet', name));
      const manifest = JSON.parse(container?.env?.find((each) => each.name === 'RUNTIMES_MANIFEST')?.value ?? '{}');
      const kinds = (manifest as { runtimes: { nodejs: { kind: string; image?: object }[] } }).runtimes.nodejs;
      expect(kinds.map(({ kind }) => kind)).toEqual(['nodejs:tetris', 'nodejs:20']);
      expect(kinds[0]?.image).toEqual({ prefix: 'registry.example.org:5000/ours', name: 'action', tag: '1.2' });
    }
  });

  it('expected failure: a release without a manifest, another level and no image are refused', () => {
    expect(() => postRender(1, RELEASE.replaceAll('RUNTIMES_MANIFEST', 'OTHER'))).toThrow(/found no runtimes manifest/);
    expect(() => postRender(3 as 1, RELEASE)).toThrow(/neither 1 nor 2/);
    expect(() => postRender(1, RELEASE, { TETRIS_ACTION_IMAGE: 'a|b:c' })).toThrow(/no name of an image/);
  });
});
