import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformer } from '../../../bench/src/models/transformer';
import { buildModel } from '../../../bench/src/models/built-model';
import { fineTuned } from '../../../bench/src/zoo/families';
import { ZOO, zooModel } from '../../../bench/src/zoo/zoo';
import { infer } from '../../support/infer';

const megabytesOf = (name: string): number =>
  zooModel(name)
    .define(name)
    .weights.reduce((sum, { dims }) => sum + 4 * dims.reduce((product, size) => product * size, 1), 0) / 1e6;

describe('the zoo', () => {
  it('has the 21 models of the evaluation', () => {
    expect(Object.keys(ZOO)).toHaveLength(21);
  });

  it.each(
    Object.entries(ZOO).flatMap(([name, { paperMb }]) => (paperMb === undefined ? [] : [[name, paperMb] as const])),
  )("%s is about as large as the paper's %d MB", (name, paperMb) => {
    expect(megabytesOf(name) / paperMb).toBeGreaterThan(0.9);
    expect(megabytesOf(name) / paperMb).toBeLessThan(1.15);
  });

  it('names its models where one is asked for that it has not', () => {
    expect(() => zooModel('alexnet')).toThrow(/alexnet.*textcnn/);
  });

  // Those of a size that loads in a moment; the suites load all.
  it.each(['mobilenet-v2', 'lenet', 'dssm', 'ssd', 'inception-v3', 'fastspeech2'])('%s runs', async (name) => {
    const folder = await mkdtemp(join(tmpdir(), 'zoo-'));
    try {
      const model = await buildModel(zooModel(name).define(name), folder);
      const outputs = await infer(model.path, model.inputs(2, 1));
      for (const { dims, data } of Object.values(outputs)) {
        expect(dims[0]).toBe(2);
        expect(data.every(Number.isFinite)).toBe(true);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('a fine-tuned model', () => {
  const origin = transformer('encoder', { layers: 2, hidden: 64, heads: 4 });
  const alike = (layers: number): number => {
    const tuned = fineTuned(origin, { layers, seed: 7 });
    return tuned.weights.filter(({ seed }, at) => seed === origin.weights[at]?.seed).length;
  };

  it('has the last layers for itself and shares all others', () => {
    expect(alike(0)).toBe(origin.weights.length);
    // The projection to labels is a matrix and a bias.
    expect(alike(1)).toBe(origin.weights.length - 2);
  });

  it('can differ in everything but constants', () => {
    const drawn = origin.weights.filter(({ spread }) => spread.limit > 0).length;
    expect(alike(Infinity)).toBe(origin.weights.length - drawn);
  });
});
