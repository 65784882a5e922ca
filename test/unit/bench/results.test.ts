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
  rows: [{ name: 'vgg16', modelMb: 553, fleets: { tetris: points(600, 630), stock: points(600, 1_200) } }],
};

describe('results', () => {
  const found = outcomes({ memory });
  const byTitle = (title: string): (typeof found)[number] | undefined => found.find((row) => row.title === title);

  it('tells which targets are met, which are missed, and what was not measured', () => {
    expect(byTitle('Memory saved, best model')).toMatchObject({ value: 0.97, met: true });
    expect(byTitle('Next VGG-16 (MB)')).toMatchObject({ value: 30, met: false });
    expect(byTitle('Instances under 8 GB, over plain')).toMatchObject({ value: undefined, met: undefined });
  });

  it('are a page with a row for each figure, its command, where it was measured, and charts', () => {
    const files = report({ memory });
    expect(Object.keys(files)).toEqual([
      'memory-by-model.svg',
      'memory-by-instances.svg',
      'results.md',
      'results.html',
    ]);
    expect(files['results.md']).toContain(
      '| Next VGG-16 (MB) | 36.27 MiB | ≤ 24 | 30 | **no** | npm run bench -- memory |',
    );
    expect(files['results.md']).toContain('2026-11-28, a processor, 2 cores');
    expect(files['results.html']).toContain('<svg');
    expect(files['memory-by-instances.svg']).toContain('plain processes');
  });

  it('are a page without charts where nothing was measured', () => {
    expect(Object.keys(report({}))).toEqual(['results.md', 'results.html']);
  });
});
