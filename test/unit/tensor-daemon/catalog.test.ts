import { Catalog } from '../../../tensor-daemon/src/store/catalog';
import type { Manifest } from '../../../tensor-daemon/src/store/manifest';

const digest = (letter: string): string => letter.repeat(64);
const stored = (letter: string) => ({ sha256: digest(letter), fileBytes: 90, bytes: 100 });

function manifest(key: string, tensors: string): Manifest {
  return {
    format: 1,
    modelKey: digest(key),
    name: key,
    source: digest('0'),
    ingestMs: 1,
    graphBytes: 10,
    tensors: [...tensors].map((letter) => ({ sha256: digest(letter), bytes: 90 })),
  };
}

/** Models `d` over tensors a, b and `e` over b, c. */
function twoModels(logMax = 100): Catalog {
  const catalog = new Catalog(1_000, logMax);
  catalog.addTensors([...'abc'].map(stored));
  catalog.addModel(manifest('d', 'ab'), 10);
  catalog.addModel(manifest('e', 'bc'), 20);
  return catalog;
}

describe('Catalog', () => {
  it('counts each tensor and each graph once', () => {
    const catalog = twoModels();
    expect(catalog).toMatchObject({ bytes: 330, tensorCount: 3, modelCount: 2, orphans: [] });
    expect(catalog.tensor(digest('b'))?.models).toBe(2);
    catalog.addTensors([stored('a')]);
    expect(catalog.bytes).toBe(330);
  });

  it('takes no model of which a tensor is missing', () => {
    const catalog = twoModels();
    expect(catalog.addModel(manifest('f', 'ax'), 5)).toBeUndefined();
    expect(catalog.model(digest('f'))).toBeUndefined();
    expect(catalog.tensor(digest('a'))?.models).toBe(1);
    expect(catalog.bytes).toBe(330);
  });

  it('replaces a model of the same key without counting it twice', () => {
    const catalog = twoModels();
    catalog.addModel(manifest('d', 'ac'), 15);
    expect(catalog.bytes).toBe(335);
    expect([...'abc'].map((letter) => catalog.tensor(digest(letter))?.models)).toEqual([1, 1, 2]);
  });

  it('makes orphans of the tensors that no other model needs, until a model needs them again', () => {
    const catalog = twoModels();
    catalog.removeModel(digest('d'));
    expect(catalog.orphans.map(({ sha256 }) => sha256)).toEqual([digest('a')]);
    expect(catalog.bytes).toBe(320);
    catalog.addModel(manifest('f', 'a'), 1);
    expect(catalog.orphans).toEqual([]);
    catalog.removeModel(digest('f'));
    catalog.removeTensors([...catalog.orphans]);
    expect(catalog.tensor(digest('a'))).toBeUndefined();
    expect(catalog.bytes).toBe(220);
    catalog.removeModel(digest('unknown'));
    expect(catalog.modelCount).toBe(1);
  });

  it('tells its inventory as the changes since a number, or as a whole where it does not know them all', () => {
    const catalog = twoModels();
    expect(catalog.inventory(1_000)).toEqual({
      sequence: 1_001,
      deltas: [
        { sequence: 1_001, added: [...'abc'].map((letter) => ({ sha256: digest(letter), bytes: 100 })), removed: [] },
      ],
    });
    expect(catalog.inventory(1_001)).toEqual({ sequence: 1_001, deltas: [] });
    for (const since of [undefined, 0, 999, 1_002]) {
      expect(catalog.inventory(since)).toMatchObject({ snapshot: { sequence: 1_001 } });
    }
  });

  it('forgets the oldest changes over the bound', () => {
    const catalog = twoModels(2);
    for (const letter of 'xyz') catalog.addTensors([stored(letter)]);
    expect('snapshot' in catalog.inventory(1_001)).toBe(true);
    expect(catalog.inventory(1_002)).toMatchObject({ deltas: [{ sequence: 1_003 }, { sequence: 1_004 }] });
  });
});
