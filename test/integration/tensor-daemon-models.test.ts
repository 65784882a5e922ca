import { create, fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, StringStringEntryProtoSchema } from '@tetris/onnx-format/messages';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { feedsOf } from '@tetris/bench';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { infer } from '../support/infer';
import { nestedModel } from '../support/nested-models';
import { randomFrom } from '../support/random';
import { manyTensors, sparse, UNUSUAL_MODELS, writeExternal, writeModelProto } from '../support/unusual-models';

describe('tensor daemon: models of every kind', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-unusual-test-');
  // Two seeds, so that a branch that depends on the numbers goes both ways.
  const feeds = [1, 2, 3].map((seed) =>
    feedsOf([{ name: 'x', type: 'float32', dims: ['batch', 64], bound: 1 }], 3, seed),
  );
  beforeAll(() => daemon.start({ modelRoots: models, tensorBytesMin: 256 }));
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  /** Leases a model twice and compares what it answers with stock. @returns tensors in the store */
  const compare = async (path: string, graph = {}, inputs = feeds): Promise<number> => {
    const wanted = { source: fileSource(path), name: path, graph };
    const [one, two] = [await daemon.client.lease(wanted), await daemon.client.lease(wanted)];
    for (const feed of inputs) {
      const stock = await infer(path, feed);
      const shared = await infer(daemon.viewPath(one.view), feed, 'disabled');
      const [expected, actual] = [stock['y']?.data ?? [], shared['y']?.data ?? []];
      expect(expected.length).toBeGreaterThan(0);
      expect(shared['y']?.dims).toEqual(stock['y']?.dims);
      expect(actual).toEqual(expected);
    }
    expect([one.warm, two.warm]).toEqual([false, true]);
    one.release();
    two.release();
    return one.tensors;
  };

  it.each(Object.entries(UNUSUAL_MODELS))(
    'answers as stock does, from shared tensors where there are large ones: %s',
    async (name, { make, shared }) => {
      const path = join(models, `${name.replace(/\W+/g, '-')}.onnx`);
      writeModelProto(path, make());
      const tensors = await compare(path);
      if (shared) expect(tensors).toBeGreaterThan(0);
      else expect(tensors).toBeLessThanOrEqual(1);
    },
  );

  it('keeps what a model says about itself', async () => {
    const path = join(models, 'described.onnx');
    const original = UNUSUAL_MODELS['int8, dynamic']?.make() ?? manyTensors(1);
    const said = { producerName: 'a test', producerVersion: '1.2' };
    Object.assign(original, said);
    const [key, value] = ['labels', '["cat", "dog"]'];
    original.metadataProps = [create(StringStringEntryProtoSchema, { key, value })];
    writeModelProto(path, original);
    const lease = await daemon.client.lease({ source: fileSource(path), name: 'described' });
    const cut = fromBinary(ModelProtoSchema, readFileSync(daemon.viewPath(lease.view)));
    lease.release();
    expect(cut).toMatchObject({ ...said, irVersion: original.irVersion });
    expect(cut.metadataProps.map((entry) => [entry.key, entry.value])).toContainEqual([key, value]);
  });

  it('answers as stock does when the weights lie in a file beside the model', async () => {
    expect(await compare(writeExternal(models, 'external'))).toBeGreaterThan(0);
  });

  it('answers as stock does with a free dimension fixed', async () => {
    const path = join(models, 'fixed.onnx');
    writeModelProto(path, UNUSUAL_MODELS['int8, dynamic']?.make() ?? manyTensors(1));
    expect(await compare(path, { freeDimensionOverrides: { batch: 3 } })).toBeGreaterThan(0);
  });

  it('answers as stock does from 20,000 small tensors, each in a file of its own where it is told to', async () => {
    const path = join(models, 'many.onnx');
    writeModelProto(path, manyTensors(20_000));
    expect(await compare(path, { graphOptimizationLevel: 'disabled' }, feeds.slice(0, 1))).toBe(20_000);
    expect(daemon.files('tensors').length).toBeGreaterThanOrEqual(20_000);
  }, 180_000);

  it('expected failure: a sparse initializer, which onnxruntime loads and cannot save, is for a private session', async () => {
    const path = join(models, 'sparse.onnx');
    writeModelProto(path, sparse());
    const [feed = []] = feeds;
    expect((await infer(path, feed))['y']?.data).toHaveLength(3 * 64);
    await expect(daemon.client.lease({ source: fileSource(path), name: 'sparse' })).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSHAREABLE',
      message: expect.stringContaining('onnxruntime cannot save it') as string,
    });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'answers as stock does to the last bit from graphs within graphs, seed %i',
    async (seed) => {
      const path = join(models, `nested-${seed}.onnx`);
      writeModelProto(path, nestedModel(randomFrom(seed * 7919)));
      await compare(path);
    },
  );
});
