import { fromBinary } from '@bufbuild/protobuf';
import { buildModel, cachedModel, type ModelDefinition, perceptron, textCnn, transformer } from '@tetris/bench';
import { ModelProtoSchema, type TensorProto } from '@tetris/onnx-format/messages';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../../../bench/src/models/random';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tetris-models-'))));
afterEach(() => rm(folder, { recursive: true }));

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function bytesOf(definition: ModelDefinition): Promise<Buffer> {
  return readFile((await buildModel(definition, folder)).path);
}

async function tensorsOf(definition: ModelDefinition): Promise<Map<string, string>> {
  const model = fromBinary(ModelProtoSchema, await bytesOf(definition));
  const tensors: TensorProto[] = model.graph?.initializer ?? [];
  return new Map(tensors.map((tensor) => [tensor.name, sha256(tensor.rawData)]));
}

describe('a built model', () => {
  it('has the same bytes whenever it is built from the same seed', async () => {
    const first = sha256(await bytesOf(perceptron('model')));
    expect(sha256(await bytesOf(perceptron('model')))).toBe(first);
    // Changes only with the builder itself: figures of different versions are then of different models.
    expect(first).toBe('4a862060bf85f06ebe243aa68fcbb0f6d4ae7453c0b6f6f072e1dc94882a2f43');
  });

  it('has other weights for another seed', async () => {
    const [one, two] = [await tensorsOf(perceptron('a', { seed: 1 })), await tensorsOf(perceptron('b', { seed: 2 }))];
    expect([...one.keys()]).toEqual([...two.keys()]);
    expect([...one].filter(([name, digest]) => two.get(name) === digest)).toEqual([]);
  });

  it('shares every tensor but the head with one that differs in the head seed', async () => {
    const options = { layers: 2, hidden: 32, heads: 2, sequence: 4 };
    const one = await tensorsOf(transformer('a', { ...options, headSeed: 1 }));
    const two = await tensorsOf(transformer('b', { ...options, headSeed: 2 }));
    const different = [...one].filter(([name, digest]) => two.get(name) !== digest).map(([name]) => name);
    expect(different.sort()).toEqual(['head.bias', 'head.dense.bias', 'head.dense.weight', 'head.weight']);
  });

  it('takes weights that are longer than one written piece', async () => {
    const definition = textCnn('text', { vocabulary: 9_000, width: 64 });
    const model = fromBinary(ModelProtoSchema, await bytesOf(definition));
    const table = model.graph?.initializer.find((tensor) => tensor.name === 'embedding');
    const spec = definition.weights.find((weight) => weight.name === 'embedding');
    const expected = new Float32Array(9_000 * 64);
    new Random(spec?.seed ?? 0).fill(expected, spec?.spread ?? { center: 0, limit: 0 });
    expect(sha256(table?.rawData ?? new Uint8Array())).toBe(sha256(Buffer.from(expected.buffer)));
  });

  it('leaves no partial file', async () => {
    await bytesOf(perceptron('model'));
    expect(await readdir(folder)).toEqual(['model.onnx']);
  });

  it('is taken from the cache when its definition is the same, and only then', async () => {
    const first = await cachedModel(perceptron('model'), folder);
    const { mtimeMs } = await stat(first.path);
    const again = await cachedModel(perceptron('model'), folder);
    expect([again.path, (await stat(again.path)).mtimeMs]).toEqual([first.path, mtimeMs]);
    expect((await cachedModel(perceptron('model', { seed: 2 }), folder)).path).not.toBe(first.path);
  });

  it('feeds the same numbers for the same seed and within the bounds of its inputs', async () => {
    const model = await buildModel(textCnn('text', { vocabulary: 10, width: 4, filters: 2 }), folder);
    const [tokens] = model.inputs(3, 1);
    expect(tokens).toMatchObject({ name: 'tokens', type: 'int64', dims: [3, 64] });
    expect(model.inputs(3, 1)).toEqual(model.inputs(3, 1));
    expect(model.inputs(3, 2)).not.toEqual(model.inputs(3, 1));
    expect([...(tokens?.data ?? [])].every((token) => token >= 0 && token < 10)).toBe(true);
  });

  it('bad call: refuses a number of heads that does not divide the width', () => {
    expect(() => transformer('model', { hidden: 10, heads: 3 })).toThrow('heads 3 does not divide hidden 10');
  });

  it('bad call: refuses a model beyond the size of a protobuf message', async () => {
    const huge = textCnn('huge', { vocabulary: 600_000, width: 1024 });
    await expect(buildModel(huge, folder)).rejects.toThrow(/huge would take \d+ bytes, over the 2 GiB/);
  });
});
