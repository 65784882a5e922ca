import { SimilarityIndex } from '@tetris/load-balancer';
import type { TensorRef } from '@tetris/common';
import { randomFrom, testSeed } from '../../support/random';

const tensor = (index: number): TensorRef => ({ sha256: index.toString(16).padStart(64, '0'), bytes: 10 + index * 3 });
const LIMITS = { actionsMax: 1_000, nodesMax: 1_000 };

describe('SimilarityIndex', () => {
  it('equals the definition of theta computed from sets, after any sequence of changes', () => {
    const seed = testSeed();
    const below = randomFrom(seed);
    const some = (max: number): TensorRef[] => {
      const chosen = new Set(Array.from({ length: below(max) }, () => below(60)));
      return [...chosen].map(tensor);
    };
    const index = new SimilarityIndex(LIMITS);
    const stores = new Map<string, Map<string, number>>();
    const manifests = new Map<string, TensorRef[]>();
    const node = (): string => `node${below(40)}`;
    for (let step = 0; step < 3_000; step += 1) {
      const name = node();
      const store = stores.get(name) ?? new Map<string, number>();
      switch (below(5)) {
        case 0: {
          const tensors = some(20);
          index.setInventory(name, tensors);
          stores.set(name, new Map(tensors.map(({ sha256, bytes }) => [sha256, bytes])));
          break;
        }
        case 1:
        case 2: {
          const added = some(10);
          const removed = some(10).map(({ sha256 }) => sha256);
          index.changeInventory(name, added, removed);
          for (const { sha256, bytes } of added) store.set(sha256, bytes);
          for (const sha256 of removed) store.delete(sha256);
          stores.set(name, store);
          break;
        }
        case 3: {
          const tensors = some(30);
          const action = `action${below(20)}`;
          index.setManifest(action, { tensors, privateBytes: 1 });
          manifests.set(action, tensors);
          break;
        }
        default:
          if (below(10) === 0) {
            index.dropNode(name);
            stores.delete(name);
          }
      }
      if (step % 50 !== 0) continue;
      for (const [action, tensors] of manifests) {
        const demand = index.demand(action);
        const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
        for (const [held, store] of stores) {
          const shared = tensors.reduce((sum, { sha256, bytes }) => sum + (store.has(sha256) ? bytes : 0), 0);
          const got = { total: demand?.set.totalBytes, shared: demand?.set.overlap[index.nodeIndex(held)] };
          if (got.total !== total || got.shared !== shared) {
            throw new Error(
              `seed ${seed}, step ${step}: ${action} on ${held}: ${JSON.stringify({ got, total, shared })}`,
            );
          }
        }
      }
    }
  });

  it('keeps one row for actions with the same tensors', () => {
    const index = new SimilarityIndex(LIMITS);
    index.setManifest('one@1', { tensors: [tensor(1), tensor(2)], privateBytes: 5 });
    index.setManifest('two@1', { tensors: [tensor(2), tensor(1)], privateBytes: 6 });
    expect(index.sizes).toMatchObject({ sets: 1, actions: 2, tensors: 2 });
    expect(index.demand('two@1')).toMatchObject({ privateBytes: 6 });
  });

  it('forgets the oldest action beyond its bound, and tensors that nobody has or needs', () => {
    const index = new SimilarityIndex({ actionsMax: 2, nodesMax: 10 });
    for (const round of [1, 2, 3]) index.setManifest(`action${round}`, { tensors: [tensor(round)], privateBytes: 0 });
    expect(index.demand('action1')).toBeUndefined();
    expect(index.sizes).toMatchObject({ actions: 2, tensors: 2 });
    index.changeInventory('node', [tensor(9)], []);
    index.changeInventory('node', [], [tensor(9).sha256]);
    expect(index.sizes.tensors).toBe(2);
  });

  it('takes nodes beyond its bound for empty', () => {
    const index = new SimilarityIndex({ actionsMax: 2, nodesMax: 1 });
    index.setManifest('action', { tensors: [tensor(1)], privateBytes: 0 });
    index.setInventory('first', []);
    index.setInventory('second', [tensor(1)]);
    expect(index.sizes).toMatchObject({ nodes: 1, tensors: 1 });
    expect(index.demand('action')?.set.overlap[index.nodeIndex('second')]).toBeUndefined();
  });

  it('ranks nodes for people', () => {
    const index = new SimilarityIndex(LIMITS);
    index.setManifest('action', { tensors: [tensor(0), tensor(10)], privateBytes: 0 });
    index.setInventory('half', [tensor(10)]);
    index.setInventory('all', [tensor(0), tensor(10), tensor(11)]);
    index.setInventory('none', [tensor(11)]);
    expect(index.thetas('action', 5)).toEqual([
      { node: 'all', theta: 1 },
      { node: 'half', theta: 40 / 50 },
    ]);
  });
});
