import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ModelFiles, type ModelFilesOptions } from '../../../../profiler/src/service/models';
import { zip } from '../../../support/archives';

const CODE = { name: 'index.js', data: 'exports.main = () => ({});' };

describe('models of the profiling service', () => {
  let folder: string;
  let roots: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tetris-models-'));
    roots = mkdtempSync(join(tmpdir(), 'tetris-roots-'));
  });
  afterEach(() => [folder, roots].forEach((each) => rmSync(each, { recursive: true })));

  const open = (options: Partial<ModelFilesOptions> = {}): ModelFiles =>
    new ModelFiles({
      ...{ folder, roots: [roots], uploadBytesMax: 100, keptBytesMax: 150 },
      codeOf: async () => Promise.resolve({ code: '', binary: false }),
      ...options,
    });
  const ofAction = (archive: Buffer, binary = true): ModelFiles =>
    open({ codeOf: async () => Promise.resolve({ code: archive.toString('base64'), binary }) });

  it('keeps uploads by their digest, the oldest of too many leave', async () => {
    const models = open();
    const first = await models.upload(Readable.from([Buffer.alloc(90, 1)]));
    const second = await models.upload(Readable.from([Buffer.alloc(80, 2)]));
    await expect(models.find({ kind: 'upload', sha256: first.sha256, name: 'a.onnx' })).rejects.toThrow(
      'a.onnx is no longer kept: upload it again',
    );
    const found = await models.find({ kind: 'upload', sha256: second.sha256, name: 'b.onnx' });
    expect(readFileSync(found.path)).toEqual(Buffer.alloc(80, 2));
  });

  it('bad call: an upload that is too large leaves nothing behind, nor does a kill', async () => {
    writeFileSync(join(folder, 'of-a-killed-service.part'), 'half');
    await expect(open().upload(Readable.from([Buffer.alloc(60), Buffer.alloc(60)]))).rejects.toMatchObject({
      code: 'ERR_MODEL_TOO_LARGE',
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('takes the model of an action, and of several the one that is named', async () => {
    const one = ofAction(zip([CODE, { name: 'model.onnx', data: 'one' }]));
    expect(await one.namesIn('classify')).toEqual(['model.onnx']);
    expect((await one.find({ kind: 'action', action: '/_/classify' })).name).toBe('classify.onnx');
    const two = ofAction(zip([CODE, { name: 'a/x.onnx', data: 'x' }, { name: 'y.onnx', data: 'y' }]));
    expect(await two.namesIn('classify')).toEqual(['a/x.onnx', 'y.onnx']);
    const { path } = await two.find({ kind: 'action', action: 'classify', file: 'y.onnx' });
    expect(readFileSync(path, 'utf8')).toBe('y');
    await expect(two.find({ kind: 'action', action: 'classify' })).rejects.toThrow('name one of a/x.onnx, y.onnx');
    await expect(two.find({ kind: 'action', action: 'classify', file: 'z.onnx' })).rejects.toThrow(
      'it has a/x.onnx, y.onnx',
    );
  });

  it('bad call: says so of an action without a model, and of one that is no archive', async () => {
    expect(await ofAction(Buffer.from('function main() {}'), false).namesIn('hello')).toEqual([]);
    await expect(ofAction(Buffer.from('no archive')).namesIn('hello')).rejects.toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
      message: expect.stringContaining('no zip archive') as string,
    });
  });

  it('bad call: finds nothing outside the registered folders, by a link neither', async () => {
    writeFileSync(join(roots, 'in.onnx'), 'in');
    const outside = join(folder, 'out.onnx');
    writeFileSync(outside, 'out');
    symlinkSync(outside, join(roots, 'link.onnx'));
    const models = open();
    expect((await models.find({ kind: 'path', path: join(roots, 'in.onnx') })).name).toBe('in.onnx');
    for (const path of [outside, join(roots, 'link.onnx'), join(roots, '../x.onnx'), roots]) {
      await expect(models.find({ kind: 'path', path })).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    }
  });
});
