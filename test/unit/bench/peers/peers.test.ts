import { memoryRow } from '../../../../bench/src/peers/memory-grid';
import type { Peer, Served } from '../../../../bench/src/peers/peer';
import { type PeerRow, peerFigures } from '../../../../bench/src/peers/peer-figures';
import { largestRate } from '../../../../bench/src/peers/rate-search';

const models = [
  { name: 'one', path: '/one.onnx', bytes: 1 },
  { name: 'two', path: '/two.onnx', bytes: 1 },
];

/** 100 MB, and 10 more for each instance of each function. */
function peerOf(started: number[], stopped: number[]): Peer {
  return {
    tunings: [],
    start: ({ models: served, instances }) => {
      started.push(instances);
      let asked = 0;
      const running: Served = {
        ask: () => Promise.resolve({ pid: asked++ % instances, loadMs: 1, runMs: [1], logits: [], lasts: [] }),
        memoryBytes: () => Promise.resolve(1e8 + 1e7 * served.length * instances),
        stop: async () => void stopped.push(instances),
      };
      return Promise.resolve(running);
    },
  };
}

describe('memory of a peer', () => {
  it('is measured as far as there is room, and told as not started beyond', async () => {
    const [started, stopped]: [number[], number[]] = [[], []];
    const bounds = { roomBytes: 2.5e8, forMs: 60_000, settleMs: 0 };
    const cells = await memoryRow(peerOf(started, stopped), models, [1, 2, 8], bounds);
    expect(started).toEqual([1, 2]);
    expect(stopped).toEqual([1, 2]);
    expect(cells).toEqual([
      { functions: 2, instances: 1, mb: 120 },
      { functions: 2, instances: 2, mb: 140 },
      { functions: 2, instances: 8, mb: 260, extrapolated: true },
    ]);
  });
});

describe('the largest rate', () => {
  const search = { above: 100, probes: 6, attainment: 0.99 };

  it('is found by halving', async () => {
    const { rate, points } = await largestRate(search, async (each) => (each <= 63 ? 1 : 0.9));
    expect(points).toHaveLength(6);
    expect(rate).toBeLessThanOrEqual(63);
    expect(rate).toBeGreaterThan(60);
  });

  it('is 0 where no rate is in time', async () => {
    expect((await largestRate(search, async () => 0)).rate).toBe(0);
  });
});

describe('figures of peers', () => {
  const memory = (peer: string, mb: number): PeerRow => ({
    name: `memory/family/16/${peer}`,
    what: 'memory',
    peer,
    kind: 'family',
    cells: [{ functions: 16, instances: 2, mb }],
  });
  const rate = (peer: string, value: number, mb = 1_000): PeerRow => ({
    name: `rate/${peer}`,
    what: 'rate',
    peer,
    rate: value,
    mb,
  });

  it('are those of tetris over the best of the others', () => {
    const rows = [memory('tetris', 300), memory('a', 1_000), memory('b', 2_000), rate('tetris', 50), rate('b', 40)];
    // One that takes more memory than all are given is left out.
    expect(peerFigures([...rows, rate('a', 60), rate('c', 90, 1_800)])).toMatchObject({
      memoryRatio: 0.3,
      memoryBestPeer: 'a',
      rateRatio: 0.833,
      rateBestPeer: 'a',
    });
    expect(peerFigures([memory('tetris', 300)])).not.toHaveProperty('memoryRatio');
  });

  it('tell apart who keeps no function apart', () => {
    const rows = [memory('tetris', 300), memory('fork', 1_000), memory('forkTogether', 600)];
    expect(peerFigures(rows)).toMatchObject({ memoryRatio: 0.3, memoryBestPeer: 'fork', togetherMemoryRatio: 0.5 });
  });
});
