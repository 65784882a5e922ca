/**
 * OpenWhisk's own chart through the post-renderer. Part of no other run: see `docs/kubernetes.md`.
 *
 *     OPENWHISK_DEPLOY_KUBE=/path/to/a/checkout npm run test:kubernetes
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installTools, type KubernetesObject, postRender, run, validate } from '../support/kubernetes/charts';

let folder: string;
beforeAll(() => {
  installTools();
  folder = mkdtempSync(join(tmpdir(), 'tetris-stock-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function render(...values: string[]): string {
  const checkout = process.env['OPENWHISK_DEPLOY_KUBE'];
  if (checkout === undefined) throw new Error('OPENWHISK_DEPLOY_KUBE names a checkout of openwhisk-deploy-kube');
  const options = ['--namespace', 'openwhisk', ...values.flatMap((value) => ['--set', value])];
  return run('helm', ['template', 'owdev', join(checkout, 'helm/openwhisk'), ...options]);
}

function objects(text: string): Map<string, KubernetesObject> {
  const path = join(folder, 'objects.yaml');
  writeFileSync(path, text);
  const { objects: all } = validate([], [path]);
  return new Map(all.map((each) => [`${each.kind} ${each.metadata.name}`, each]));
}

it.each([
  [1, []],
  [2, []],
  [1, ['scheduler.enabled=true']],
  [1, ['invoker.imageTag=2.0.0', 'controller.imageTag=2.0.0']],
] as [1 | 2, string[]][])(
  'changes invoker, controller and scheduler at level %i with %j, and nothing else',
  (level, values) => {
    const stock = render(...values);
    const before = objects(stock);
    const after = objects(postRender(level, stock));
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    const changed = [...after].filter(
      ([name, object]) => JSON.stringify(sorted(object)) !== JSON.stringify(sorted(before.get(name))),
    );
    const scheduler = values.includes('scheduler.enabled=true') ? ['StatefulSet owdev-scheduler'] : [];
    const expected = ['StatefulSet owdev-controller', 'StatefulSet owdev-invoker', ...scheduler];
    expect(changed.map(([name]) => name).sort()).toEqual(expected);
    const path = join(folder, 'changed.json');
    writeFileSync(path, JSON.stringify(after.get('StatefulSet owdev-invoker')));
    expect(validate(['1.25', '1.37'], [path]).problems).toEqual([]);
  },
);

/** With keys in order, which the renderer changes. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
