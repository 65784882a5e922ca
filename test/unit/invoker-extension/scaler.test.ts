import type { ScaledGroup } from '../../../invoker-extension/src/scaling/group-scaler';
import { meetsSlo, type ProfileRow } from '../../../invoker-extension/src/scaling/profile';
import { Scaler, type ScalerOptions, type ScalingOrders } from '@tetris/invoker-extension';
import { type InstanceSettings, settingsOfRow } from '../../../invoker-extension/src/scaling/settings';
import { fixedSeed, fractionsFrom } from '../../support/random';
import {
  arrivals,
  attained,
  type LoadOptions,
  PLAN_MS,
  SCALER_OPTIONS as OPTIONS,
  underLoad,
} from '../../support/simulated-load';

const MB = 1024 ** 2;
const SLO_MS = 200;
const SINGLE: InstanceSettings = { room: 1, workers: 1, threads: 1, batch: 1, batchWaitMs: 0 };
const FIRST: InstanceSettings = { ...SINGLE, sloMs: SLO_MS };
const GROUP: ScaledGroup = {
  key: 'g',
  revision: 'r',
  sloMs: SLO_MS,
  limitBytes: 256 * MB,
  first: FIRST,
  batchMax: 8,
  roomMax: 500,
};

const row = (concurrency: number, batch: number, latencyMs: number, mb: number): ProfileRow => ({
  cpu: concurrency,
  concurrency,
  batch,
  latencyMs,
  privateBytes: mb * MB,
});
const SMALL = row(1, 1, 50, 50);
const LARGE = row(4, 8, 80, 150);

/** A scaler that was given these rows and has seen `perSecond` arrivals a second until `untilMs`. */
function scalerWith(
  rows: ProfileRow[],
  perSecond: number,
  untilMs = 5_000,
  options: Partial<ScalerOptions> = {},
): Scaler {
  const scaler = new Scaler({ ...OPTIONS, ...options, profile: { ...OPTIONS.profile, shapes: [] } });
  scaler.given('r', rows);
  for (let nowMs = 0; nowMs < untilMs; nowMs += 1000 / perSecond) scaler.arrived(GROUP, nowMs);
  return scaler;
}

const living = (...rows: ProfileRow[]) =>
  rows.map((each, at) => ({ id: at + 1, group: 'g', settings: settingsOfRow(each, SLO_MS, 500), ready: true }));

const shapes = ({ starts }: ScalingOrders): string[] =>
  starts.map(({ settings: { workers, batch } }) => `${workers}x${batch}`);

describe('Scaler', () => {
  it('starts nothing by itself for an action that it knows nothing of, and names its first shape', () => {
    const scaler = new Scaler(OPTIONS);
    expect(scaler.arrived(GROUP, 0)).toEqual({ settings: FIRST, coresMax: 1_000 });
    for (let nowMs = 0; nowMs < 3000; nowMs += 10) scaler.arrived(GROUP, nowMs);
    expect(scaler.plan(living(SMALL), 3000)).toMatchObject({ starts: [], ends: [] });
  });

  it('covers what living instances do not serve, with unlike instances side by side', () => {
    // 420 and what keeps waits few: a large one serves 400, small ones 20 each; one of those lives.
    const orders = scalerWith([SMALL, LARGE], 420).plan(living(SMALL), 5_000);
    expect(shapes(orders)).toEqual(['4x8', '1x1', '1x1']);
  });

  it('gives an instance room for two rounds of what its workers execute, and a wait up to the objective less the execution', () => {
    const [start] = scalerWith([SMALL, LARGE], 420).plan(living(SMALL), 5_000).starts;
    expect(start?.settings).toEqual({
      room: 64,
      workers: 4,
      threads: 1,
      batch: 8,
      batchWaitMs: 120,
      sloMs: SLO_MS,
      latencyMs: 80,
    });
  });

  it('starts the first instance by demand only, and nothing for the memory of a rate', () => {
    expect(scalerWith([SMALL], 100).plan([], 5_000).starts).toEqual([]);
  });

  it('ends what was too much in three plans, the least efficient first, and leaves the last to its keep-alive', () => {
    const scaler = scalerWith([SMALL, LARGE], 100);
    const instances = living(SMALL, LARGE, LARGE, SMALL);
    const ends = [0, 3, 6, 9].map((at) => scaler.plan(instances, 90_000 + at * 1000).ends);
    // The first plan sees them for the first time.
    expect(ends).toEqual([[], [], [], [1, 4, 2]]);
  });

  it('keeps surplus instances as long as some are added', () => {
    const scaler = scalerWith([SMALL, LARGE], 100);
    for (let count = 1; count < 10; count += 1) {
      const more = living(...Array.from({ length: count }, () => LARGE));
      expect(scaler.plan(more, 90_000 + count * 3000).ends).toEqual([]);
    }
  });

  it("obeys the action's bounds on batches and room", () => {
    const scaler = scalerWith([SMALL, LARGE, row(2, 1, 50, 70)], 100);
    scaler.arrived({ ...GROUP, batchMax: 1, roomMax: 1 }, 5_000);
    expect(new Set(shapes(scaler.plan(living(SMALL), 5_000)))).toEqual(new Set(['1x1']));
  });

  it('starts no more than the cores can run, and holds demand back while they are busy', () => {
    const scaler = scalerWith([SMALL], 200, 5_000, { cores: 3 });
    expect(scaler.plan(living(SMALL), 5_000).starts).toHaveLength(2);
    const orders = scaler.plan(living(SMALL, SMALL, SMALL), 5_000);
    expect([orders.starts.length, orders.groups.get('g')?.coresMax]).toEqual([0, 3]);
  });

  it('lets a shape take over that does more with a core, although all cores are busy', () => {
    const batching = row(1, 8, 80, 60);
    const scaler = scalerWith([SMALL, batching], 150, 5_000, { cores: 2 });
    scaler.answered('g', 2 * SLO_MS);
    expect(shapes(scaler.plan(living(SMALL, SMALL), 5_000))).toEqual([]);
    expect(shapes(scaler.plan(living(SMALL, SMALL), 5_000))).toEqual(['1x8']);
    // Nothing does more with a core than it.
    expect(scaler.plan(living(batching, batching), 5_000).starts).toEqual([]);
  });

  it('plans no shape that needs more than the memory limit of the action', () => {
    const scaler = scalerWith([SMALL, LARGE], 420, 0);
    for (let nowMs = 0; nowMs < 5_000; nowMs += 1000 / 420) scaler.arrived({ ...GROUP, limitBytes: 149 * MB }, nowMs);
    expect(new Set(shapes(scaler.plan(living(SMALL), 5_000)))).toEqual(new Set(['1x1']));
  });

  it('leaves instances alone whose requests are answered in time, although figures say that another shape does more', () => {
    const scaler = scalerWith([SMALL, row(1, 8, 80, 60)], 150, 5_000, { cores: 2 });
    for (let plan = 0; plan < 5; plan += 1) {
      for (let answer = 0; answer < 100; answer += 1) scaler.answered('g', SLO_MS);
      // One in a hundred may be late.
      scaler.answered('g', 2 * SLO_MS);
      expect(scaler.plan(living(SMALL, SMALL), 5_000)).toMatchObject({ starts: [], ends: [] });
    }
  });

  it('does not try again soon after a start ahead of demand has failed', () => {
    const scaler = scalerWith([SMALL], 100);
    scaler.failed('g', 5_000);
    expect(scaler.plan(living(SMALL), 5_100).starts).toEqual([]);
  });

  it('expected failure: where no shape meets the objective, names the fastest and starts nothing by itself', () => {
    const scaler = scalerWith([row(1, 1, 500, 50), row(2, 1, 400, 80), row(4, 8, 900, 150)], 100);
    const orders = scaler.plan(living(row(1, 1, 500, 50)), 5_000);
    expect(orders.starts).toEqual([]);
    expect(orders.groups.get('g')?.settings).toMatchObject({ workers: 2, batch: 1 });
  });

  it('starts instances before arrivals that come every minute, when it forecasts', () => {
    const forecast = { sampleMs: 5_000, samples: 120, harmonics: 20, ahead: 2, arrivalsMin: 0.5 };
    const scaler = new Scaler({ ...OPTIONS, forecast });
    scaler.given('r', [SMALL]);
    const before: number[] = [];
    for (let nowMs = 0; nowMs < 900_000; nowMs += 100) {
      const phaseMs = nowMs % 60_000;
      if (phaseMs < 5_000) for (let count = 0; count < 3; count += 1) scaler.arrived(GROUP, nowMs);
      // Nothing lives, whatever was planned: asked shortly before each wave.
      if (phaseMs === 57_000) before.push(scaler.plan([], nowMs).starts.length);
    }
    expect(before.slice(0, 3)).toEqual([0, 0, 0]);
    expect(before.at(-1)).toBeGreaterThan(0);
  });

  it('remembers no more groups than its bound', () => {
    const scaler = new Scaler(OPTIONS);
    for (const key of ['a', 'b', 'c', 'd']) scaler.arrived({ ...GROUP, key, revision: key }, 0);
    expect([...scaler.plan([], 3_000).groups.keys()].sort()).toEqual(['b', 'c', 'd']);
  });
});

describe('Scaler and pool in simulated time', () => {
  const seed = fixedSeed();
  const between = (random: () => number, low: number, high: number): number => low + random() * (high - low);

  /** A random model: how long it takes alone, what a batch gains, what instances need. */
  function randomTruth(random: () => number): LoadOptions['truth'] {
    const [aloneMs, share, baseMb, workerMb] = [
      between(random, 5, 80),
      between(random, 0.1, 1),
      between(random, 40, 120),
      between(random, 5, 60),
    ];
    return ({ workers, batch }) => ({
      latencyMs: aloneMs * (1 + share * (batch - 1)),
      privateBytes: (baseMb + workerMb * (workers - 1)) * MB,
    });
  }

  const TRACES: [string, (nowMs: number, rate: number) => number][] = [
    ['steady', (_nowMs, rate) => rate],
    ['periodic', (nowMs, rate) => rate * (1 + Math.sin(nowMs / 10_000))],
    ['bursty', (nowMs, rate) => (Math.floor(nowMs / 7_000) % 4 === 0 ? 4 * rate : rate / 4)],
    ['sporadic', (nowMs, rate) => (Math.floor(nowMs / 5_000) % 6 === 0 ? rate : 0)],
  ];

  it.each(TRACES)('keeps its promises under %s load', async (name, rateAt) => {
    const random = fractionsFrom(seed);
    for (let round = 0; round < 8; round += 1) {
      const rate = between(random, 2, 60);
      const untilMs = 150_000;
      const times = arrivals((nowMs) => rateAt(nowMs, rate), untilMs, random);
      const budgetBytes = between(random, 1, 4) * 1024 * MB;
      const options: LoadOptions = {
        seed: seed + round,
        scaler: new Scaler(OPTIONS),
        sloMs: SLO_MS,
        truth: randomTruth(random),
        budgetBytes,
        onOrders: ({ starts }) => {
          for (const start of starts) {
            expect(meetsSlo(start.row, SLO_MS)).toBe(true);
            const { concurrency, batch } = start.row;
            expect(start.settings.room).toBe(concurrency * batch * (batch > 1 ? 2 : 1));
            // The longest wait and the execution after it stay within the objective.
            expect(start.settings.batchWaitMs + start.row.latencyMs).toBeLessThanOrEqual(SLO_MS);
          }
        },
      };
      const outcome = await underLoad(options, times, untilMs + 60_000);
      expect(outcome.latenciesMs.length + outcome.refused).toBe(times.length);
      expect(outcome.refused).toBe(0);
      expect(outcome.living).toBe(0);
      expect(outcome.usedBytesMax).toBeLessThanOrEqual(budgetBytes);
      if (name !== 'steady') continue;
      const changes = [...outcome.startsMs, ...outcome.endsMs].filter((at) => at > 60_000 && at < untilMs);
      // Noise of arrivals starts an instance now and then, which ends again; flapping would change something at each
      // plan.
      const plans = (untilMs - 60_000) / PLAN_MS;
      expect(changes.length).toBeLessThan(plans);
    }
  });

  const truth: LoadOptions['truth'] = ({ workers, batch }) => ({
    latencyMs: 20 * (1 + 0.4 * (batch - 1)),
    privateBytes: (60 + 15 * (workers - 1)) * MB,
  });

  it('serves the same bursts as one instance per request within a tenth, in less than half of its memory', async () => {
    const random = fractionsFrom(seed);
    const times = arrivals((nowMs) => (Math.floor(nowMs / 10_000) % 3 === 0 ? 120 : 30), 180_000, random);
    const common = { seed, sloMs: SLO_MS, truth };
    const scaled = await underLoad({ ...common, scaler: new Scaler(OPTIONS) }, times, 240_000);
    const one = await underLoad(common, times, 240_000);
    expect([scaled.refused, one.refused]).toEqual([0, 0]);
    expect(attained(scaled, SLO_MS)).toBeGreaterThan(attained(one, SLO_MS) - 0.1);
    expect(scaled.byteMs).toBeLessThan(0.5 * one.byteMs);
  });

  it('answers nearly all within the objective under a steady load', async () => {
    const times = arrivals(() => 80, 120_000, fractionsFrom(seed));
    const outcome = await underLoad({ seed, sloMs: SLO_MS, truth, scaler: new Scaler(OPTIONS) }, times, 130_000);
    // After the time in which instances start and shapes are learned.
    expect(attained(outcome, SLO_MS, Math.floor(times.length / 4))).toBeGreaterThan(0.99);
  });

  it('follows reality: when executions become slower it adds instances, and gives them back when they recover', async () => {
    const scaler = new Scaler({
      ...OPTIONS,
      profile: { ...OPTIONS.profile, shapes: [{ cpu: 1, concurrency: 1, batch: 1 }] },
    });
    const options: LoadOptions = {
      seed,
      scaler,
      sloMs: SLO_MS,
      truth: (_shape, nowMs) => ({ latencyMs: nowMs > 60_000 && nowMs < 120_000 ? 80 : 20, privateBytes: 60 * MB }),
    };
    const times = arrivals(() => 60, 200_000, fractionsFrom(seed));
    const { startsMs, endsMs } = await underLoad(options, times, 230_000);
    const livingAt = (nowMs: number): number =>
      startsMs.filter((atMs) => atMs <= nowMs).length - endsMs.filter((atMs) => atMs <= nowMs).length;
    const mostIn = (fromMs: number, toMs: number): number =>
      Math.max(...[0, 3_000, 6_000, 9_000, 12_000].map((afterMs) => livingAt(Math.min(toMs, fromMs + afterMs))));
    expect(mostIn(105_000, 120_000)).toBeGreaterThan(mostIn(45_000, 60_000));
    expect(mostIn(180_000, 200_000)).toBeLessThan(mostIn(105_000, 120_000));
  });
});
