import { perceptron } from '@tetris/bench';
import type { ActionReport } from '../../../../bench/src/demo/cloud';
import type { GrowthStep, LatencyComparison } from '../../../../bench/src/demo/comparison';
import { figuresOf, functionFigures } from '../../../../bench/src/demo/figures';
import { closingSentence, figureTable, functionTable, missedFigures } from '../../../../bench/src/demo/report';
import type { DemoFunction } from '../../../../bench/src/demo/settings';

const definition = perceptron('unused');

function demoFunction(name: string, family: DemoFunction['family']): DemoFunction {
  return { name, family, definition, shape: [64], instances: 2, memoryMb: 256 };
}

const answered = (loadMs: number): ActionReport => ({ pid: 1, loadMs, runMs: [1], logits: [1] });

const [topics, intents, vision] = [
  demoFunction('topics', 'transformer'),
  demoFunction('intents', 'transformer'),
  demoFunction('vision', 'convnet'),
];

/** Totals and store in MB, load times in ms. */
function step(of: DemoFunction, index: number, totals: [number, number, number], loads: [number, number]): GrowthStep {
  const [sharedBytes, stockBytes, storeBytes] = totals.map((mb) => mb * 1e6) as [number, number, number];
  const [shared, stock] = [answered(loads[0]), answered(loads[1])];
  return { function: of, index, shared, stock, sharedBytes, stockBytes, storeBytes, relativeError: 0 };
}

const STEPS: GrowthStep[] = [
  step(topics, 1, [800, 400, 700], [5000, 900]),
  step(topics, 2, [820, 800, 700], [200, 1000]),
  step(intents, 1, [860, 1200, 707], [4000, 1000]),
  step(intents, 2, [890, 1600, 707], [300, 1100]),
  step(vision, 1, [1000, 1900, 800], [900, 500]),
  step(vision, 2, [1040, 2200, 800], [50, 500]),
];

const LATENCIES: LatencyComparison[] = [
  { function: topics, batch: 1, sharedMs: [10, 11, 30], stockMs: [10, 10, 10], relativeError: 1e-7 },
  { function: vision, batch: 1, sharedMs: [9], stockMs: [10], relativeError: 2e-7 },
  { function: topics, batch: 4, sharedMs: [40], stockMs: [50], relativeError: 0 },
];

describe('figures of the demo', () => {
  it('close with what they come to, and with each that misses its target', () => {
    const figures = figuresOf(STEPS, LATENCIES);
    expect(closingSentence(figures)).toBe('4 instances in 0.9 GB instead of 1.6.');
    expect(missedFigures(figures)).toEqual([
      'with sharing / without is 0.556, not at most 0.35',
      'run time at batch 1 / plain process is 1.1, not at most 1.05',
    ]);
    expect(missedFigures({ ...figures, totalRatio: 0.3, latencyRatioBatch1: 1 })).toEqual([]);
    expect(missedFigures({ ...figures, totalRatio: 0.3, latencyRatioBatch1: NaN })).toHaveLength(1);
  });

  it('are computed from the steps: totals of the transformer alone, warm loads against all plain ones', () => {
    expect(figuresOf(STEPS, LATENCIES)).toEqual({
      instances: 4,
      sharedTotalMb: 890,
      stockTotalMb: 1600,
      totalRatio: 0.556,
      nextInstanceMb: 25,
      headAddedRatio: 0.01,
      loadRatioTransformer: 0.25,
      loadRatioConvnet: 0.1,
      maxRelativeError: 2e-7,
      latencyRatioBatch1: 1.1,
      latencyRatioBatch4: 0.8,
    });
  });

  it('have a row for each function', () => {
    const rows = functionFigures(STEPS);
    expect(rows.map((row) => [row.name, row.instances, row.firstLoadMs, row.sharedLoadMs, row.stockLoadMs])).toEqual([
      ['topics', 2, 5000, 200, 950],
      ['intents', 2, 4000, 300, 1050],
      ['vision', 2, 900, 50, 500],
    ]);
    expect(rows.map((row) => [row.nextInstanceMb, row.stockInstanceMb])).toEqual([
      [20, 400],
      [30, 400],
      [40, 300],
    ]);
  });

  it('expected failure: cannot be computed without an instance of the transformer', () => {
    expect(() => figuresOf([], [])).toThrow('no instance of the transformer was measured');
  });

  it('are shown with a mark at each target', () => {
    const text = figureTable(figuresOf(STEPS, LATENCIES), true);
    expect(text).toMatch(/with sharing \/ without .*0\.556.*<= 0\.35.*MISSED/);
    expect(text).toMatch(/one more instance.*25.*<= 35.*met/);
    expect(figureTable(figuresOf(STEPS, LATENCIES), false)).not.toMatch(/target/);
    const store = { uniqueBytes: 800e6, unsharedBytes: 2400e6 };
    expect(functionTable(functionFigures(STEPS), store)).toContain('800 MB; as one copy an instance: 2400 MB');
  });
});
