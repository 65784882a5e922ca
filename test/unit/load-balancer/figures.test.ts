import { type FunctionReport, latencyBucket, type NodeMemory } from '@tetris/common';
import { Fleet } from '../../../load-balancer/src/fleet/fleet';
import { SimilarityIndex } from '../../../load-balancer/src/placement/similarity';
import { Figures } from '../../../load-balancer/src/status/figures';
import { History } from '../../../load-balancer/src/status/history';
import { statusOf } from './cluster';

const rules = { silenceMs: 10_000, stockGraceMs: 3_000, suspectMs: 60_000, forgetMs: 100_000, invokersMax: 100 };
const similarity = new SimilarityIndex({ actionsMax: 10, nodesMax: 10 });
const MEMORY: NodeMemory = { storeBytes: 300, leasedBytes: 200, unsharedBytes: 800, privateBytes: 50 };

const functionOf = (overrides: Partial<FunctionReport> = {}): FunctionReport => ({
  action: 'guest/classify@1-a',
  namespace: 'guest',
  instances: [{ state: 'warm', shape: 'p=1 t=1 b=1', count: 2 }],
  ...{ activations: 10, coldStarts: 1, refusals: {}, answered: 10, inTime: 0, batchSum: 0, batchCount: 0, latency: [] },
  ...overrides,
});

class Heard {
  readonly fleet = new Fleet(rules);
  readonly figures = new Figures();

  status(instance: number, node: string, functions: FunctionReport[], memory = MEMORY, atMs = 0): this {
    const status = statusOf(instance, {
      node,
      memoryBytes: 1000,
      report: { atMs, windowMs: 10_000, memory, functions },
    });
    this.fleet.status(status, 0);
    this.figures.observe(status);
    return this;
  }
}

describe('what the invokers report, put together', () => {
  it('tells of each node what is leased, kept, private and free, and what it would be unshared', () => {
    const { figures, fleet } = new Heard().status(0, 'a', []);
    const memory = { budgetBytes: 1000, keptBytes: 100, leasedBytes: 200, privateBytes: 50, freeBytes: 650 };
    expect(figures.nodes(fleet, 0)).toMatchObject([
      { node: 'a', invokers: [0], memory: { ...memory, unsharedBytes: 850 } },
    ]);
  });

  it('counts the store of a node once, however many invokers look at it', () => {
    const newer = { ...MEMORY, storeBytes: 400, leasedBytes: 400 };
    const { figures, fleet } = new Heard().status(0, 'a', []).status(1, 'a', [], newer, 5).status(2, 'b', []);
    const nodes = figures.nodes(fleet, 0);
    expect(nodes.map(({ node, invokers }) => [node, invokers])).toEqual([
      ['a', [0, 1]],
      ['b', [2]],
    ]);
    expect(nodes[0]?.memory).toMatchObject({ budgetBytes: 2000, leasedBytes: 400, keptBytes: 0, privateBytes: 100 });
    expect(figures.memory(fleet)).toMatchObject({
      budgetBytes: 3000,
      leasedBytes: 600,
      privateBytes: 150,
      keptBytes: 100,
    });
  });

  it('says nothing of the memory of an invoker that reports none', () => {
    const fleet = new Fleet(rules);
    fleet.status(statusOf(3, { node: 'old' }), 0);
    expect(new Figures().nodes(fleet, 0)).toMatchObject([{ node: 'old', memory: undefined }]);
  });

  it('adds up a function over nodes and revisions, and leaves the health test out', () => {
    const buckets = (ms: number): [number, number][] => [[latencyBucket(ms), 10]];
    const fast = functionOf({ latency: buckets(10), sloMs: 50, inTime: 10, batchSum: 40, batchCount: 10 });
    const slow = functionOf({
      action: 'guest/classify@2-b',
      latency: buckets(400),
      sloMs: 50,
      refusals: { stopping: 1 },
    });
    const probe = functionOf({ action: 'whisk.system/invokerHealthTestAction0@1-x' });
    const { figures, fleet } = new Heard().status(0, 'a', [fast, probe]).status(1, 'b', [slow]);
    const rows = figures.functions(fleet, similarity);
    expect(rows).toMatchObject([
      {
        ...{ name: 'guest/classify', revision: '2-b', namespace: 'guest', sloMs: 50, rate: 2, inTime: 0.5, batch: 4 },
        ...{ states: { warm: 4 }, activations: 20, coldStarts: 2, refusals: { stopping: 1 } },
      },
    ]);
    expect(Math.abs((rows[0]?.p50Ms ?? 0) / 10 - 1)).toBeLessThan(0.1);
    expect(Math.abs((rows[0]?.p99Ms ?? 0) / 400 - 1)).toBeLessThan(0.1);
  });

  it('forgets the functions of an invoker that is silent, and then the invoker', () => {
    const { figures, fleet } = new Heard().status(0, 'a', [functionOf()]);
    fleet.tick(20_000);
    expect(figures.functions(fleet, similarity)).toEqual([]);
    expect(figures.nodes(fleet, 20_000)).toMatchObject([{ usable: false, memory: undefined, instances: 0 }]);
    fleet.forget(200_000);
    figures.forget(fleet);
    expect(figures.nodes(fleet, 200_000)).toEqual([]);
  });
});

describe('the history of memory', () => {
  it('keeps a bounded number of moments that reach back to the beginning', () => {
    const history = new History(1_000);
    const memory = { budgetBytes: 9, keptBytes: 1, leasedBytes: 2, privateBytes: 3, freeBytes: 3, unsharedBytes: 8 };
    for (let second = 0; second < 10_000; second += 1) history.add(memory, second * 1_000);
    const moments = history.moments();
    expect(moments.length).toBeLessThan(600);
    expect(moments[0]).toEqual({ atMs: 0, usedBytes: 5, unsharedBytes: 8 });
    expect(moments.at(-1)?.atMs).toBeGreaterThan(9_900_000);
  });
});
