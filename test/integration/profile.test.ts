/** `npm run profile`: a small sweep in real instances, asked for again, and its page in a real browser. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { buildModel, transformer } from '@tetris/bench';
import { openPage } from '../support/browser';

interface Profile {
  tensorBytes: number;
  entries: { source: string; point: { batch: number; variant: string }; measurement: Record<string, number> }[];
}

const run = promisify(execFile);
const MAIN = require.resolve('@tetris/standalone/dist/profile-main.js');
const SWEEP = [
  '--slo',
  '400',
  '--batches',
  '1,2,4',
  '--workers',
  '1',
  '--threads',
  '1',
  '--cpus',
  '1',
  '--rounds',
  '5',
];

let folder: string;
let model: string;
const profile = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [MAIN, model, ...SWEEP, '--archive', join(folder, 'archive'), ...args], { timeout: 150_000 });
const rows = async (path: string): Promise<Profile> => JSON.parse(await readFile(path, 'utf8')) as Profile;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tetris-profile-'));
  const definition = transformer('tiny', { layers: 2, hidden: 128, heads: 4, sequence: 16 });
  model = (await buildModel(definition, folder)).path;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('npm run profile', () => {
  it('measures every configuration in real instances over shared tensors and chooses one within the objective', async () => {
    const json = join(folder, 'profile.json');
    const html = join(folder, 'profile.html');
    const { stdout } = await profile('--json', json, '--html', html);
    const { entries, tensorBytes } = await rows(json);
    expect(entries.map(({ source }) => source)).toEqual(Array.from({ length: 6 }, () => 'measured'));
    expect(new Set(entries.map(({ point }) => `${point.variant} ${point.batch}`)).size).toBe(6);
    for (const { measurement } of entries) {
      expect(Object.values(measurement).every((figure) => Number.isFinite(figure) && figure > 0)).toBe(true);
      expect(measurement.p50Ms).toBeLessThanOrEqual(measurement.p99Ms ?? 0);
      expect(measurement.steadyBytes).toBeLessThanOrEqual(measurement.peakBytes ?? 0);
    }
    expect(tensorBytes).toBeGreaterThan(0);
    expect(stdout).toContain('Within 400 ms:');
  }, 180_000);

  it('answers from its archive when it is asked again, and measures only what is new', async () => {
    const json = join(folder, 'again.json');
    const { stderr } = await profile('--json', json, '--points', '1');
    expect((await rows(json)).entries).toEqual((await rows(join(folder, 'profile.json'))).entries);
    expect(stderr).not.toContain('error');
    await profile('--json', json, '--batches', '1,2,4,8', '--points', '1');
    const { entries } = await rows(json);
    expect(entries.filter(({ source }) => source === 'measured')).toHaveLength(7);
    // The other graph's batch of eight was not run: the page says that it is an estimate.
    expect(entries.filter(({ source }) => source === 'estimated')).toHaveLength(1);
  }, 180_000);

  it('draws its page in a browser without a network or an error', async () => {
    const { page, errors, close } = await openPage(pathToFileURL(join(folder, 'profile.html')).href);
    try {
      expect(await page.locator('#verdict').textContent()).toContain('Within 400 ms:');
      expect(await page.locator('#rows tbody tr').count()).toBe(6);
      expect(await page.locator('#rows tr.chosen').count()).toBe(1);
      for (const id of ['worth', 'latency', 'throughput', 'cost']) {
        // Runs in the page; as text, because it speaks of the page's types.
        const drawn = await page.evaluate(
          `(() => { const canvas = document.getElementById('${id}');
            return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0); })()`,
        );
        expect({ id, drawn }).toEqual({ id, drawn: true });
      }
      expect(errors).toEqual([]);
    } finally {
      await close();
    }
  }, 60_000);

  it.each([
    ['a missing file', ['/nowhere/model.onnx'], 'there is no file /nowhere/model.onnx'],
    ['a bad list', ['MODEL', '--batches', '1,x'], "--batches takes whole numbers from 1, with commas; got '1,x'"],
    ['more cores than there are', ['MODEL', '--cpus', '4096'], '--cpus asks for 4096 cores'],
  ])('bad call: %s is told', async (_, args, text) => {
    const real = args.map((arg) => (arg === 'MODEL' ? model : arg));
    await expect(run(process.execPath, [MAIN, ...real])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(text) as string,
    });
  });

  it('expected failure: a file that is no model fails every configuration with the reason', async () => {
    const path = join(folder, 'broken.onnx');
    await writeFile(path, 'not a model');
    const { stdout } = await run(process.execPath, [MAIN, path, ...SWEEP, '--archive', join(folder, 'archive')]);
    expect(stdout).toContain('not possible');
    expect(stdout).toContain('broken.onnx');
    expect(stdout).toContain('No configuration answers within 400 ms');
  }, 120_000);
});
