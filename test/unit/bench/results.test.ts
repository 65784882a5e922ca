import { report } from '../../../bench/src/results/report';
import { outcomes } from '../../../bench/src/results/targets';
import type { SuiteResult } from '../../../bench/src/suite';

const machine = { cpu: 'a processor', cores: 2, memoryMb: 8_000, node: 'v20', onnxruntime: '1.30.0' };
const points = (...megabytes: number[]): { instances: number; mb: number }[] =>
  megabytes.map((mb, at) => ({ instances: at + 1, mb }));
const memory: SuiteResult = {
  measured: '2026-11-28',
  machine,
  savedMax: 0.97,
  nextInstanceMb: { vgg16: 30 },
  models: [
    {
      name: 'vgg16',
      modelMb: 553,
      nextInstanceMb: 30,
      saved: 0.4,
      fleets: {
        tetris: points(600, 630),
        stock: [
          { instances: 1, mb: 600 },
          { instances: 2, mb: 1_200, extrapolated: true },
        ],
      },
    },
  ],
};

describe('results', () => {
  const found = outcomes({ memory });
  const byTitle = (title: string): (typeof found)[number] | undefined => found.find((row) => row.title === title);

  it('tells which targets are met, which are missed, and what was not measured', () => {
    expect(byTitle('Memory saved, best model')).toMatchObject({ value: 0.97, met: true });
    expect(byTitle('Next VGG-16 (MB)')).toMatchObject({ value: 30, met: false });
    expect(byTitle('Instances under 8 GB, over plain')).toMatchObject({ value: undefined, met: undefined });
  });

  it('are a page with a row for each figure, its command, where it was measured, tables and charts', () => {
    const { markdown, html, charts } = report({ memory }, 'results');
    expect(Object.keys(charts)).toEqual(['memory-by-instances.svg', 'memory-by-model.svg']);
    expect(markdown).toContain('| Next VGG-16 (MB) | 36.27 MiB | ≤ 24 | 30 | **no** | npm run bench -- memory |');
    expect(markdown).toContain('2026-11-28, a processor, 2 cores');
    expect(markdown).toContain('(results/memory-by-model.svg)');
    // What was not started is told as such.
    expect(markdown).toContain('| vgg16 | 553 | 630 | ~1200 |');
    expect(html).toContain('<svg');
    expect(charts['memory-by-instances.svg']).toContain('plain processes');
  });

  it('of every suite have a table each', () => {
    const peer = { peer: 'tetris', family16x2Mb: 1_000, rate: 10 };
    const { markdown, charts } = report(
      {
        startup: { machine, rows: [startupRow('stock'), startupRow('stemCell')] },
        peers: { machine, peers: [peer], rows: [] },
        scaling: { machine, drawn: { ours: { mean: 1, worst: 1.05 } } },
      },
      'results',
    );
    expect(markdown).toContain('`startup`: not ended');
    expect(markdown).toContain('| vgg16 | stemCell | 100 (90 - 110) | 40 | 10 | 5 | 30 |');
    expect(markdown).toContain('| tetris | 1000 |');
    expect(markdown).toContain('| drawn | ours | 1 | 1.05 |');
    expect(Object.keys(charts)).toEqual(['startup.svg', 'peers.svg']);
  });

  it('are a page without charts where nothing was measured', () => {
    expect(report({}, 'results').charts).toEqual({});
  });
});

const startupRow = (way: string): object => ({
  name: `vgg16/${way}`,
  model: 'vgg16',
  way,
  answerMs: 100,
  spreadMs: [90, 110],
  loadMs: 5,
  runMs: 30,
  stagesMs: { container: 40, init: 10 },
});
