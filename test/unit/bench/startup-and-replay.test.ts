import { type ReplayRow, replayFigures } from '../../../bench/src/replay/replay-figures';
import { type StartupRow, startupFigures } from '../../../bench/src/startup/startup-figures';

describe('figures of start-up', () => {
  const row = (way: string, answerMs: number, loadMs: number): StartupRow => ({
    name: `vgg16/${way}`,
    model: 'vgg16',
    way,
    answerMs,
    spreadMs: [answerMs, answerMs],
    loadMs,
    runMs: 1,
    stagesMs: {},
  });

  it('take the fastest way that is a start', () => {
    const rows = [row('stock', 1_000, 500), row('warmStore', 200, 10), row('stemCell', 100, 20), row('asleep', 50, 5)];
    expect(startupFigures(rows)).toMatchObject({
      startupCut: 0.9,
      loadCut: 0.98,
      cuts: [{ model: 'vgg16', way: 'stemCell' }],
    });
  });

  it('are none without a plain process', () => {
    expect(startupFigures([row('warmStore', 200, 10)])).not.toHaveProperty('startupCut');
  });
});

describe('figures of a replay', () => {
  const row = (application: string, mode: string, meanMb: number, sloAttainment = 1): ReplayRow => ({
    name: `${application}/stable/${mode}`,
    application,
    pattern: 'stable',
    mode,
    meanMb,
    peakMb: meanMb,
    instancesMean: 1,
    sloAttainment,
    errors: 0,
    requests: 1,
    starts: { cold: 0, warm: 1 },
    functions: {},
  });

  it('compare each load with plain instances under the same', () => {
    const rows = [
      row('a', 'tetris', 100, 0.995),
      row('a', 'stock', 1_000),
      row('b', 'tetris', 300),
      row('b', 'stock', 600),
    ];
    const figures = replayFigures([...rows, row('c', 'tetris', 1)]);
    expect(figures).toMatchObject({ meanMemoryCut: 0.7, sloAttainment: 0.995, memoryCut: { tetris: 0.7 } });
    // The load without plain instances beside it counts nowhere.
    expect(figures).toMatchObject({ togetherMemoryCut: { stock: 0.75 }, meanInTime: { stock: 1 } });
    expect(figures['cells']).toContainEqual({
      name: 'b/stable/tetris',
      normalised: 0.5,
      meanMb: 300,
      sloAttainment: 1,
    });
  });
});
