import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuiltModel, buildModel, convnet, perceptron, transformer } from '@tetris/bench';
import { type Platform, startPlatform } from '@tetris/standalone';
import type openwhisk from 'openwhisk';
import { type ArchiveFile, zip } from '../support/archives';
import { infer } from '../support/infer';
import { clientOf, INFER_CODE, type Json, plainFeeds, rejection } from '../support/platform';
import { until } from '../support/until';

const RELATIVE = 1e-5;
const SMALL = { layers: 2, hidden: 128, heads: 4, sequence: 16 };

describe('actions of kind nodejs:tetris with models', () => {
  let platform: Platform;
  let client: openwhisk.Client;
  const folder = mkdtempSync(join(tmpdir(), 'tetris-e2e-'));
  const roots = join(folder, 'models');

  beforeAll(async () => {
    mkdirSync(roots);
    platform = await startPlatform({ modelRoots: [roots], settings: { TETRIS_DAEMON_TENSOR_BYTES_MIN: '1024' } });
    client = clientOf(platform);
  });
  afterAll(async () => {
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const create = (name: string, action: string | object, more: object = {}): Promise<unknown> =>
    client.actions.update({ name, action, kind: 'nodejs:tetris', ...more } as never);
  const invoke = (name: string, params: object): Promise<Json> =>
    client.actions.invoke({ name, params, blocking: true });
  const archive = (files: ArchiveFile[]): object => ({
    exec: { kind: 'nodejs:tetris', code: zip([{ name: 'index.js', data: INFER_CODE }, ...files]).toString('base64') },
  });

  function expectClose(outputs: Json, expected: Awaited<ReturnType<typeof infer>>): void {
    expect(Object.keys(outputs)).toEqual(Object.keys(expected));
    for (const [name, { dims, data }] of Object.entries(expected)) {
      expect(outputs[name].dims).toEqual(dims);
      const worst = Math.max(
        ...data.map((value, index) => Math.abs(value - outputs[name].data[index]) / Math.max(1, Math.abs(value))),
      );
      expect(worst).toBeLessThanOrEqual(RELATIVE);
    }
  }

  it.each([
    ['a transformer', transformer('small-transformer', SMALL)],
    ['a convolution net', convnet('small-convnet', { imageSize: 32, width: 8 })],
  ])('gives the numbers of plain onnxruntime for %s, at batch 1 and 4', async (_what, definition) => {
    const model = await buildModel(definition, roots);
    await create('numbers', INFER_CODE);
    for (const batch of [1, 4]) {
      const feeds = model.inputs(batch, batch, 16);
      const { response } = await invoke('numbers', { model: model.path, feeds: plainFeeds(feeds) });
      expectClose(response.result.outputs, await infer(model.path, feeds));
    }
  });

  it("takes a model from the action's own archive, by a path relative to it", async () => {
    const model = await buildModel(perceptron('bundled'), join(folder, 'bundled'));
    const feeds = model.inputs(2, 1);
    await create('bundled', archive([{ name: 'net.onnx', data: readFileSync(model.path) }]));
    const { response } = await invoke('bundled', { model: 'net.onnx', feeds: plainFeeds(feeds) });
    expectClose(response.result.outputs, await infer(model.path, feeds));
    expect((await platform.nodes[0]?.operator.leases())?.some(({ name }) => name.includes('net.onnx'))).toBe(true);
  });

  it('keeps one copy of a backbone that two functions with different heads share', async () => {
    const [first, second] = await Promise.all(
      [1, 2].map((headSeed) => buildModel(transformer(`head${headSeed}`, { ...SMALL, seed: 77, headSeed }), roots)),
    );
    const totals = () => platform.nodes[0]?.operator.totals() ?? Promise.reject(new Error('no node'));
    const uses = async (name: string, model: BuiltModel | undefined): Promise<void> => {
      await create(name, INFER_CODE);
      await invoke(name, { model: model?.path, feeds: plainFeeds(model?.inputs(1, 1, 16) ?? []) });
    };
    const before = await totals();
    await uses('first-head', first);
    const middle = await totals();
    await uses('second-head', second);
    const after = await totals();
    const backboneBytes = middle.uniqueBytes - before.uniqueBytes;
    expect(backboneBytes).toBeGreaterThan(500_000);
    // A small model's head is a larger share of it than a real one's.
    expect(after.uniqueBytes - middle.uniqueBytes).toBeLessThan(0.25 * backboneBytes);
  });

  describe('bad input', () => {
    let good: BuiltModel;
    let feeds: object[];
    beforeAll(async () => {
      good = await buildModel(perceptron('good'), roots);
      feeds = plainFeeds(good.inputs(1, 1));
      await create('good', INFER_CODE);
      await invoke('good', { model: good.path, feeds });
    });

    const file = (name: string, bytes: Buffer | string): string => {
      writeFileSync(join(roots, name), bytes);
      return join(roots, name);
    };
    const broken: Record<string, () => { model: string; reason: RegExp }> = {
      'a corrupt model': () => {
        const bytes = readFileSync(good.path);
        bytes.fill(0xff, 0, 64);
        return { model: file('corrupt.onnx', bytes), reason: /corrupt\.onnx/ };
      },
      'a truncated model': () => ({
        model: file('truncated.onnx', readFileSync(good.path).subarray(0, 20_000)),
        reason: /truncated\.onnx/,
      }),
      'a file that is no model': () => ({ model: file('text.onnx', 'not a model at all\n'), reason: /text\.onnx/ }),
      'an empty file': () => ({ model: file('empty.onnx', ''), reason: /empty\.onnx/ }),
      'a missing file': () => ({ model: join(roots, 'missing.onnx'), reason: /missing\.onnx/ }),
      'an unsupported operator': () => ({
        model: file(
          'operator.onnx',
          Buffer.from(readFileSync(good.path).toString('latin1').replaceAll('\u0004Relu', '\u0004Relx'), 'latin1'),
        ),
        reason: /operator\.onnx.*Relx|Relx.*operator\.onnx/s,
      }),
      'a path outside the action and the model folders': () => ({ model: '/etc/hostname', reason: /\/etc\/hostname/ }),
      'an unknown URL source': () => ({
        model: 'https://models.invalid/net.onnx',
        reason: /https:\/\/models\.invalid\/net\.onnx/,
      }),
    };

    it.each(Object.keys(broken))(
      'bad call: %s is an activation of status 1 or 2 that names file and reason',
      async (what) => {
        const { model, reason } = broken[what]?.() ?? { model: '', reason: /^$/ };
        const name = `bad-${what.replaceAll(' ', '-')}`;
        await create(name, INFER_CODE);
        const before = await platform.nodes[0]?.operator.tensors();
        const { status, error } = await rejection(invoke(name, { model, feeds }));
        expect(status).toBe(502);
        expect(error.response.status).toMatch(/^(application error|action developer error)$/);
        const text = JSON.stringify(error.response.result);
        expect(text).toMatch(reason);
        expect(text.length).toBeGreaterThan(model.length + 20);
        // Nothing else noticed: no tensor came or went, and the neighbour answers.
        expect((await platform.nodes[0]?.operator.tensors())?.length).toBe(before?.length);
        expect(await invoke('good', { model: good.path, feeds })).toMatchObject({ response: { success: true } });
      },
    );
  });

  it('ends with balanced books and without a violation', async () => {
    await until(() => platform.books().inFlight === 0);
    expect(platform.books().invokers.map(({ outstanding }) => outstanding)).toEqual([0]);
    expect(platform.violations).toEqual([]);
  });
});

describe('a store that is full', () => {
  it('expected failure: reclaims what nobody holds first, then loads privately and names the reason, and works on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tetris-e2e-'));
    const platform = await startPlatform({
      modelRoots: [folder],
      settings: { TETRIS_DAEMON_STORE_BYTES_MAX: '8m', TETRIS_DAEMON_TENSOR_BYTES_MIN: '1024' },
    });
    try {
      const client = clientOf(platform);
      const use = async (name: string, hidden: number): Promise<Json> => {
        const model = await buildModel(perceptron(name, { hidden, seed: hidden }), folder);
        await client.actions.update({ name, action: INFER_CODE, kind: 'nodejs:tetris' });
        const params = { model: model.path, feeds: plainFeeds(model.inputs(1, 1)) };
        return client.actions.invoke({ name, params, blocking: true });
      };
      // 2.3 MB each, twice while it is ingested: the third finds room only if the first, which nobody holds, leaves.
      await use('first', 700);
      await release(platform);
      await use('second', 710);
      await release(platform);
      await use('third', 720);
      // What does not fit is loaded privately, as without us; the log says why.
      const giant = await use('giant', 3000);
      expect(giant).toMatchObject({ response: { success: true } });
      const log = async (): Promise<string> =>
        JSON.stringify(await client.activations.logs({ name: String(giant['activationId']) }));
      expect(await log()).toMatch(/giant\.onnx is loaded privately: .*(full|room|larger|bytes)/s);
      expect(await use('fourth', 300)).toMatchObject({ response: { success: true } });
    } finally {
      await platform.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Ends every instance, as its keep-alive would. */
async function release({ nodes }: Platform): Promise<void> {
  for (const { pid } of (await nodes[0]?.instances()) ?? []) process.kill(pid, 'SIGKILL');
  await until(async () => (await nodes[0]?.operator.totals())?.leases === 0);
}
