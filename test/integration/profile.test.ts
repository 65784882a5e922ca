/** `npm run profile`: a small sweep in real instances, asked for again, and its page in a real browser. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { buildModel, convnet, transformer } from '@tetris/bench';
import { createLogger, EmbeddedStore, FolderDocuments } from '@tetris/common';
import { ProfileArchive } from '@tetris/invoker-extension';
import { openPage } from '../support/browser';
import { spawnInTest } from '../support/child';
import { until } from '../support/until';

jest.setTimeout(240_000);

interface Profile {
  sha256: string;
  bytes: number;
  tensorBytes: Record<string, number>;
  firstLoadMs: Record<string, number>;
  conversions: Record<
    string,
    { replaced: number; skipped: object[]; deviations: { output: string; cosine: number; maxError: number }[] }
  >;
  entries: { source: string; point: { batch: number; variant: string }; measurement: Record<string, number> }[];
}

const run = promisify(execFile);
const MAIN = require.resolve('@tetris/profiler/dist/main.js');
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
    const { entries, tensorBytes, firstLoadMs, conversions } = await rows(json);
    const { int8 } = conversions;
    expect(entries.map(({ source }) => source)).toEqual(Array.from({ length: 9 }, () => 'measured'));
    expect(new Set(entries.map(({ point }) => `${point.variant} ${point.batch}`)).size).toBe(9);
    for (const { measurement } of entries) {
      const { othersCores = NaN, ...own } = measurement;
      expect(Object.values(own).every((figure) => Number.isFinite(figure) && figure > 0)).toBe(true);
      expect(othersCores).toBeGreaterThanOrEqual(0);
      expect(measurement.p50Ms).toBeLessThanOrEqual(measurement.p99Ms ?? 0);
      expect(measurement.steadyBytes).toBeLessThanOrEqual(measurement.peakBytes ?? 0);
    }
    // Beside a few vectors, int8 weights take a quarter.
    const { plain = 0, optimized = 0, int8: small = 0 } = tensorBytes;
    expect(Math.min(plain, optimized)).toBeGreaterThan(0);
    expect(small / Math.min(plain, optimized)).toBeLessThan(0.6);
    expect(Object.keys(firstLoadMs).sort()).toEqual(['int8', 'optimized', 'plain']);
    expect(int8?.replaced).toBeGreaterThan(0);
    expect(int8?.deviations.map(({ output }) => output)).toEqual(['logits']);
    expect(int8?.deviations[0]?.cosine).toBeGreaterThan(0.99);
    expect(int8?.deviations[0]?.maxError).toBeGreaterThan(0);
    expect(stdout).toContain('Within 400 ms:');
    expect(stdout).toMatch(/^int8: \d+ operators converted/m);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  it('answers from its archive when it is asked again, and measures only what is new', async () => {
    const json = join(folder, 'again.json');
    const { stderr } = await profile('--json', json, '--points', '1');
    const byName = ({ entries }: Profile): unknown =>
      [...entries].sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
    expect(byName(await rows(json))).toEqual(byName(await rows(join(folder, 'profile.json'))));
    expect(stderr).toContain(`0 configurations measured now, 9 known from ${join(folder, 'archive')}`);
    // Without an objective: with one, estimates that would be the choice are measured too.
    const archive = ['--archive', join(folder, 'archive'), '--json', json];
    await run(process.execPath, [MAIN, model, ...SWEEP.slice(2), ...archive, '--batches', '1,2,4,8', '--points', '1']);
    const { entries } = await rows(json);
    expect(entries.filter(({ source }) => source === 'measured')).toHaveLength(10);
    // The other graphs' batch of eight was not run: it is an estimate.
    expect(entries.filter(({ source }) => source === 'estimated')).toHaveLength(2);
  });

  it('goes on where Ctrl-C has stopped it, and leaves nothing of itself behind', async () => {
    const archive = ['--archive', join(folder, 'stopped')];
    const temporary = await mkdtemp(join(folder, 't-'));
    const env = { ...process.env, TMPDIR: temporary };
    const child = spawnInTest(process.execPath, [MAIN, model, ...SWEEP, ...archive], { env, stdio: 'pipe' });
    const documents = new ProfileArchive(new FolderDocuments(join(folder, 'stopped')));
    const { sha256 } = await rows(join(folder, 'profile.json'));
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.stdout.resume();
    const known = async (): Promise<number> => (await documents.load(sha256))[0]?.entries.length ?? 0;
    await until(async () => (await known()) >= 2, 'two configurations are kept');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
    expect(errors).toContain('the same command goes on');
    expect(await readdir(temporary)).toEqual([]);
    const before = (await documents.load(sha256))[0]?.entries.filter(({ source }) => source !== 'estimated') ?? [];
    // Nothing that the interruption broke counts as a result.
    expect(before.every(({ source }) => source === 'measured')).toBe(true);

    const { stderr } = await run(process.execPath, [MAIN, model, ...SWEEP, ...archive], { timeout: 150_000 });
    expect(stderr).toContain(`${9 - before.length} configurations measured now, ${before.length} known`);
  });

  it('keeps profiles in the data folder of a platform, where its entity store finds them', async () => {
    const data = join(folder, 'data');
    await run(process.execPath, [MAIN, model, ...SWEEP, '--batches', '1', '--variants', 'plain', '--data', data]);
    const store = await EmbeddedStore.open({ log: createLogger('test', 'silent'), folder: data });
    try {
      const { sha256, bytes } = await rows(join(folder, 'profile.json'));
      const [found] = await new ProfileArchive(store).load(sha256, bytes);
      expect(found?.entries.map(({ source }) => source)).toEqual(['measured']);
    } finally {
      await store.close();
    }
  });

  it('feeds the inputs that it is given, and tells their figures from others', async () => {
    const path = join(folder, 'inputs.json');
    const data = Array.from({ length: 16 * 128 }, (_, at) => Math.sin(at));
    await writeFile(path, JSON.stringify({ embeddings: { dims: [1, 16, 128], data } }));
    const small = ['--batches', '2', '--variants', 'plain', '--inputs', path];
    const { stdout, stderr } = await profile(...small);
    expect(stdout).toMatch(/inputs: file [0-9a-f]{12}/);
    expect(stderr).toContain('1 configurations measured now, 0 known');
    await writeFile(path, JSON.stringify({ embedings: { dims: [1, 16, 128], data } }));
    await expect(profile(...small)).rejects.toMatchObject({
      stderr: "tetris-profile: --inputs takes the inputs of the model (embeddings); got 'embedings'\n",
    });
    await writeFile(path, JSON.stringify({ embeddings: { dims: [1, 15, 128], data } }));
    expect((await profile(...small)).stdout.replace(/\s+/g, ' ')).toContain(
      'not possible: input embeddings is given with 2048 numbers for dims [1,15,128]',
    );
  });

  it('measures fp16 and int4 weights over shared tensors, and says where they gain nothing', async () => {
    const json = join(folder, 'forms.json');
    const small = join(folder, 'int4.onnx');
    const forms = ['--variants', 'optimized,fp16,int4', '--batches', '1', '--json', json, '--int4', small];
    const { stdout } = await profile(...forms);
    const { entries, tensorBytes, conversions } = await rows(json);
    expect(entries.map(({ source, point }) => `${point.variant} ${source}`).sort()).toEqual(
      ['fp16', 'int4', 'optimized'].map((form) => `${form} measured`),
    );
    const { optimized = 0, fp16 = 0, int4 = 0 } = tensorBytes;
    expect(fp16 / optimized).toBeGreaterThan(0.95);
    expect(int4 / optimized).toBeLessThan(0.5);
    expect(stdout.replace(/\s+/g, ' ')).toMatch(
      /fp16: \d+ weights converted.*tensors in the store [\d.]+ x \(no less memory\)/,
    );
    expect(stdout).toMatch(/^int4: \d+ operators converted/m);
    expect(conversions['fp16']?.deviations[0]?.cosine).toBeGreaterThan(0.9999);
    expect(conversions['int4']?.deviations[0]?.cosine).toBeGreaterThan(0.9);
    expect((await stat(small)).size).toBeLessThan((await stat(model)).size / 3);
  });

  it('says of a model without large matrices that there is nothing to quantize', async () => {
    const { path } = await buildModel(convnet('conv'), folder);
    const json = join(folder, 'conv.json');
    const args = [...SWEEP, '--batches', '1', '--json', json, '--archive', join(folder, 'archive')];
    const { stdout } = await run(process.execPath, [MAIN, path, ...args]);
    expect(stdout).toContain('int8: nothing to convert.');
    expect(stdout).toContain('3 x Conv: only MatMul and Gemm are quantized');
    const { entries, conversions } = await rows(json);
    expect(entries.map(({ point }) => point.variant).sort()).toEqual(['optimized', 'plain']);
    expect(conversions['int8']).toMatchObject({ replaced: 0, deviations: [] });
  });

  it('measures in the least memory limit in which an instance runs, and again where more is allowed', async () => {
    const json = join(folder, 'memory.json');
    const args = ['--batches', '1,2048', '--variants', 'optimized', '--rounds', '2', '--json', json];
    const measure = (memory: string): ReturnType<typeof profile> =>
      run(process.execPath, [
        ...[MAIN, model, '--workers', '1', '--threads', '1', '--cpus', '1', ...args, '--memory', memory],
        ...['--archive', join(folder, 'memory')],
      ]);
    const large = async (): Promise<object | undefined> =>
      (await rows(json)).entries.find(({ point }) => point.batch === 2048);
    const small = 128 * 1024 ** 2;
    await measure('128m');
    expect(await large()).toMatchObject({
      source: 'failed',
      reason: 'it exceeded its memory limit of 128 MiB',
      limitBytes: small,
    });
    const { stdout } = await measure('128m,3g');
    expect(await large()).toMatchObject({ source: 'measured', measurement: { limitBytes: 3 * 1024 ** 3 } });
    expect((await rows(json)).entries.find(({ point }) => point.batch === 1)?.measurement.limitBytes).toBe(small);
    expect(stdout).toMatch(/ 3072 /);
    expect(stdout).not.toContain('not possible');
  });

  it('draws its page in a browser without a network or an error', async () => {
    const { page, errors, close } = await openPage(pathToFileURL(join(folder, 'profile.html')).href);
    try {
      expect(await page.locator('[data-verdict]').textContent()).toContain('Within 400 ms:');
      const rows = page.getByRole('group', { name: 'All configurations' }).locator('tbody tr');
      expect(await rows.count()).toBe(9);
      expect(await rows.filter({ hasText: 'chosen' }).count()).toBe(1);
      expect(await page.locator('[data-wsk]').textContent()).toMatch(
        /^wsk action update tiny tiny\.zip --kind nodejs:tetris -m \d+ -a tetris-slo 400 .*-a tetris-profile [0-9a-f]{64}-\d+$/,
      );
      // Date, machine and command are told too.
      expect(await page.locator('main').textContent()).toMatch(/measured \d+ \w+ \d{4}.*tetris-profile .*--slo 400/s);
      expect(await page.locator('canvas').count()).toBe(2);
      for (const at of [0, 1]) {
        // Runs in the page; as text, because it speaks of the page's types.
        const drawn = await page.evaluate(
          `(() => { const canvas = document.querySelectorAll('canvas')[${at}];
            return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0); })()`,
        );
        expect({ at, drawn }).toEqual({ at, drawn: true });
      }
      expect(errors).toEqual([]);
    } finally {
      await close();
    }
  });

  it.each([
    ['a missing file', ['/nowhere/model.onnx'], 'there is no file /nowhere/model.onnx'],
    ['a folder', ['/'], '/ is no file'],
    ['a bad objective', ['MODEL', '--slo', 'abc'], "--slo takes a whole number from 1; got 'abc'"],
    [
      'a bad variant',
      ['MODEL', '--variants', 'int2'],
      "--variants takes plain, optimized, int8, fp16, int4, with commas; got 'int2'",
    ],
    ['a bad dimension', ['MODEL', '--dim', 'sequence'], "--dim takes name=size; got 'sequence'"],
    [
      'a bad size',
      ['MODEL', '--memory', '1g,lots'],
      "--memory takes sizes such as 256m or 2g, at least 64m, with commas; got '1g,lots'",
    ],
    ['too little memory', ['MODEL', '--memory', '1k'], "at least 64m, with commas; got '1k'"],
    ['a bad price', ['MODEL', '--alpha', 'x'], "--alpha takes a number of MB; got 'x'"],
    ['more workers than cores', ['MODEL', '--workers', '4', '--cpus', '1'], 'needs more than the 1 cores of --cpus'],
    ['absent inputs', ['MODEL', '--inputs', '/nowhere.json'], '--inputs /nowhere.json: ENOENT'],
    ['a bad URL', ['MODEL', '--store-url', 'couch'], "--store-url takes http://user:password@host:port; got 'couch'"],
    ['a strange dimension', ['MODEL', '--dim', 'foo=3'], "--dim takes the dimensions of the model (batch); got 'foo'"],
    [
      'a page in no folder',
      ['MODEL', '--html', '/nowhere/x'],
      "--html takes a file that can be written; got '/nowhere/x'",
    ],
    ['a table that is a folder', ['MODEL', '--json', '/tmp'], "got '/tmp': it is a folder"],
    [
      'a folder that is none',
      ['MODEL', '--archive', '/dev/null/x'],
      '--archive takes a store that can be read; got /dev/null/x',
    ],
    [
      'no database',
      ['MODEL', '--store-url', 'http://user:pw@127.0.0.1:9'],
      '--store-url takes a store that can be read; got 127.0.0.1:9',
    ],
    ['two stores', ['MODEL', '--data', 'a', '--archive', 'b'], 'profiles are kept in one place'],
    ['a bad list', ['MODEL', '--batches', '1,x'], "--batches takes whole numbers from 1, with commas; got '1,x'"],
    ['more cores than there are', ['MODEL', '--cpus', '4096'], '--cpus asks for 4096 cores'],
  ])('bad call: %s is told', async (_, args, text) => {
    const real = args.map((arg) => (arg === 'MODEL' ? model : arg));
    await expect(run(process.execPath, [MAIN, ...real])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(text) as string,
    });
  });

  it('bad call: a file that is no model is told at once, and nothing is measured or kept', async () => {
    const path = join(folder, 'broken.onnx');
    await writeFile(path, 'not a model');
    await expect(run(process.execPath, [MAIN, path, '--archive', join(folder, 'none')])).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: `tetris-profile: ${path} is no ONNX model\n`,
    });
    await expect(readdir(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('expected failure: where nothing meets the objective, names the fastest', async () => {
    const { stdout } = await run(process.execPath, [
      ...[MAIN, model, ...SWEEP, '--slo', '1', '--batches', '4', '--archive', join(folder, 'archive')],
    ]);
    expect(stdout).toContain('No configuration answers within 1 ms on this machine.');
    expect(stdout.replace(/\s+/g, ' ')).toMatch(/The fastest is \w+ cpu=1 p=1 t=1 b=4 with [\d.]+ ms/);
  });

  it('expected failure: a model that onnxruntime refuses is not possible, with the reason', async () => {
    const path = join(folder, 'unknown.onnx');
    const text = (await readFile(model)).toString('latin1').replaceAll('MatMul', 'MadMul');
    await writeFile(path, Buffer.from(text, 'latin1'));
    const args = [...SWEEP, '--archive', join(folder, 'archive'), '--variants', 'optimized'];
    const { stdout } = await run(process.execPath, [MAIN, path, ...args]);
    expect(stdout).toContain('not possible: ');
    expect(stdout).toContain('MadMul');
    expect(stdout).toContain('No configuration answers within 400 ms');
  });
});
