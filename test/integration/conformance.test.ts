/** `npm run conformance` on a sample of the project's own corpus, and on a smaller one under other versions of Node. */
import { buildModel, nodeVersions, perceptron } from '@tetris/bench';
import { UNSHAREABLE_REASONS } from '@tetris/onnx-format';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { documented } from '../support/docs/documented';

const MAIN = join(__dirname, '../../bench/dist/conformance/main.js');
/** Minutes on a machine of its own; a test asserts no time. */
const TIMEOUT_MS = 1_800_000;
const OWN_REASONS: readonly string[] = UNSHAREABLE_REASONS;
const THIS_NODE = Number(process.versions.node.split('.')[0]);
const OTHER_NODES = [20, 22, 24].filter((major) => major !== THIS_NODE);

interface Summary {
  models: number;
  equal: number;
  refusedAlike: number;
  refusedByStockOnly: number;
  shared: number;
  privateByReason: Record<string, number>;
  rows: { verdict: string; name: string; detail?: string }[];
}

const folder = mkdtempSync(join(tmpdir(), 'conformance-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function conformance(node: string, options: readonly string[]): Promise<Summary> {
  const json = join(folder, 'summary.json');
  // What it says of defects is in the rows; its exit code says no more.
  await promisify(execFile)(node, [MAIN, '--json', json, ...options], { maxBuffer: 1e8 }).catch(() => undefined);
  const summary = JSON.parse(readFileSync(json, 'utf8')) as Summary;
  rmSync(json);
  return summary;
}

/** Defects as they should be read in the test's report. */
function defects({ rows }: Summary): string[] {
  const bad = rows.filter(({ verdict }) => ['differ', 'refusedByOursOnly', 'crashed'].includes(verdict));
  return bad.map(({ verdict, name, detail = '' }) => `${verdict}: ${name}: ${detail.slice(0, 300)}`);
}

it('as it is documented, says that a model of a user has no difference', async () => {
  await buildModel(perceptron('perceptron', { inputs: 8, hidden: 8 }), join(folder, 'models'));
  const json = join(folder, 'own.json');
  const command = documented('docs/conformance.md', 'npm run conformance')
    .replace('-- models', `-- ${join(folder, 'models')}`)
    .replace('conformance.json', json);
  await promisify(execFile)('sh', ['-c', command], { cwd: resolve(__dirname, '../..'), maxBuffer: 1e8 });
  const summary = JSON.parse(readFileSync(json, 'utf8')) as Summary;
  expect(defects(summary)).toEqual([]);
  expect(summary.models).toBe(1);
});

describe('the corpus in an action instance and in plain onnxruntime-node', () => {
  it(
    'has no difference, no refusal and no crash of ours, and nearly all of it is shared',
    async () => {
      const summary = await conformance(process.execPath, ['--every', '3']);
      expect(defects(summary)).toEqual([]);
      expect(summary.models).toBeGreaterThan(200);
      expect(summary.equal + summary.refusedAlike + summary.refusedByStockOnly).toBe(summary.models);
      const { shared, privateByReason } = summary;
      // Only what lies in the model itself: never a daemon that was busy, slow or away.
      expect(Object.keys(privateByReason).filter((reason) => !OWN_REASONS.includes(reason))).toEqual([]);
      const privately = Object.values(privateByReason).reduce((sum, count) => sum + count, 0);
      expect(shared / (shared + privately)).toBeGreaterThan(0.9);
    },
    TIMEOUT_MS,
  );

  it.each(OTHER_NODES)(
    'the same under Node %i',
    async (major) => {
      const version = (await nodeVersions()).find((candidate) => candidate.major === major);
      const summary = await conformance(version?.binary ?? '', ['--every', '9']);
      expect(defects(summary)).toEqual([]);
      expect(summary.models).toBeGreaterThan(50);
    },
    TIMEOUT_MS,
  );
});
