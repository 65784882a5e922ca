import { availableParallelism } from 'node:os';
import { key } from '@tetris/common';
import type { z } from 'zod';
import type { ForecastOptions } from './forecast';
import { shapesUpTo } from './online-profile';
import type { ScalerOptions } from './scaler';

/** Keys for actions with a latency objective; part of `TETRIS_INVOKER_*`. */
export const SCALING_KEYS = {
  planMs: key.integer(3_000, 'ms', 'How often instances of actions with an objective are planned.', { min: 100 }),
  rateMs: key.integer(1_000, 'ms', 'Interval in which arrivals are counted.', { min: 10 }),
  rateShortMs: key.integer(3_000, 'ms', 'Window whose rate is believed when it cannot be that of the long one.', {
    min: 10,
  }),
  rateLongMs: key.integer(60_000, 'ms', 'Window of the rate otherwise.', { min: 10 }),
  rateConfidence: key.number(
    1.64,
    'deviations',
    'Standard deviations of the mean rate that are planned for above it: 1.64 is exceeded once in twenty times.',
    { max: 10 },
  ),
  alpha: key.number(64, 'MB', 'Memory that one core is worth when configurations are compared.'),
  lateMax: key.number(
    0.01,
    'ratio',
    'Share of the requests that may wait for longer than they can afford, by which instances are planned, and of late answers beyond which they are replaced.',
    { min: 0.0001, max: 0.5 },
  ),
  scaleInPlans: key.integer(20, 'plans', 'Plans in a row in which an instance has to be too much before it ends.', {
    min: 1,
    max: 1000,
  }),
  replacePlans: key.integer(
    2,
    'plans',
    'Plans in a row in which something is short and late before living instances are replaced: one alone may only see another start.',
    { min: 1, max: 100 },
  ),
  profileNoise: key.number(
    1.25,
    'factor',
    'Measured figures of shapes differ by up to so much by chance: instances are neither replaced nor ended for less.',
    { min: 1, max: 4 },
  ),
  profileSamples: key.integer(64, 'executions', 'Latest execution times kept of a shape.', { min: 1, max: 1_000 }),
  profileSamplesMin: key.integer(20, 'executions', 'Execution times of a shape before its figures are believed.', {
    min: 1,
    max: 1_000,
  }),
  profileDrift: key.number(
    0.2,
    'ratio',
    'Share by which a figure may differ from what is believed before it takes its place: plans would follow each change.',
    { max: 1 },
  ),
  profileForget: key.integer(
    1_000,
    'executions',
    'Executions in other shapes after which what was learned of one is forgotten: it may have been learned in bad times.',
    { min: 1 },
  ),
  unknownMemory: key.bytes(
    '64m',
    'Memory that the smallest instance of an action is taken to need until one was measured.',
  ),
  groupStartsMax: key.integer(
    0,
    'instances',
    'Instances of one action and namespace with an objective that start at once. 0: half as many as the machine has cores; the others go on serving.',
  ),
  groupInstancesMax: key.integer(64, 'instances', 'Planned instances of one action and namespace.', { min: 1 }),
  scaledGroupsMax: key.integer(500, 'groups', 'Actions and namespaces with an objective that are remembered.', {
    min: 1,
  }),
  scaleCores: key.integer(
    0,
    'cores',
    'Cores that instances with an objective may keep busy together; no further ones are started beyond. 0: those of the machine.',
  ),
  shapeWorkersMax: key.integer(4, 'count', 'Inference workers of an instance that nobody has measured, at most.', {
    min: 1,
    max: 16,
  }),
  shapeBatchMax: key.integer(
    8,
    'requests',
    'Batch of an instance that nobody has measured, at most; annotation tetris-batching wins.',
    { min: 1, max: 256 },
  ),
  prewarm: key.oneOf(
    ['off', 'forecast'],
    'off',
    'Whether instances are also started for arrivals that past ones let expect.',
  ),
  forecastSampleMs: key.integer(10_000, 'ms', 'Width of a sample of the forecast.', { min: 100 }),
  forecastSamples: key.integer(180, 'samples', 'Samples that the forecast looks back on.', { min: 8, max: 1_000 }),
  forecastWaves: key.integer(4, 'count', 'Waves that the forecast continues; more would continue noise.', { max: 64 }),
  forecastAhead: key.integer(2, 'samples', 'Samples that the forecast looks ahead: an instance takes time to start.', {
    min: 1,
    max: 64,
  }),
  forecastMin: key.number(0.5, 'arrivals', 'Arrivals in a sample of the forecast below which there are none.'),
  forecastBackoffMs: key.integer(
    30_000,
    'ms',
    'After a start ahead of demand has failed, demand alone starts instances for so long.',
  ),
  profilePath: key.text(
    '',
    'path',
    "Folder of the profiler's results, as tetris-profile --archive takes it. Empty: they are in the entity store.",
  ),
};

type ScalingConfig = { readonly [name in keyof typeof SCALING_KEYS]: z.output<(typeof SCALING_KEYS)[name]> };

/** Shapes of one action that figures are kept of: more than {@link SCALING_KEYS} let be planned. */
const SHAPES_MAX = 256;

/** Starting takes a core each. */
export function groupStartsMaxOf({ groupStartsMax }: Pick<ScalingConfig, 'groupStartsMax'>): number {
  return groupStartsMax > 0 ? groupStartsMax : Math.max(1, Math.floor(availableParallelism() / 2));
}

export function scalerOptions(config: ScalingConfig): ScalerOptions {
  const { rateMs, rateShortMs, rateLongMs, rateConfidence, alpha, lateMax, replacePlans, profileNoise } = config;
  const { scaleInPlans, profileSamples, profileSamplesMin, profileDrift, profileForget, unknownMemory } = config;
  const cores = availableParallelism();
  return {
    rate: { bucketMs: rateMs, shortMs: rateShortMs, longMs: rateLongMs, confidence: rateConfidence },
    forecast: config.prewarm === 'off' ? undefined : forecastOptions(config),
    backoffMs: config.forecastBackoffMs,
    alpha,
    lateMax,
    scaleInPlans,
    replacePlans,
    profileNoise,
    instancesMax: config.groupInstancesMax,
    groupsMax: config.scaledGroupsMax,
    cores: config.scaleCores === 0 ? cores : config.scaleCores,
    profile: {
      shapes: shapesUpTo(config.shapeWorkersMax, config.shapeBatchMax),
      shapesMax: SHAPES_MAX,
      samples: profileSamples,
      samplesMin: profileSamplesMin,
      drift: profileDrift,
      forgetAfter: profileForget,
      unknownBytes: unknownMemory,
    },
  };
}

function forecastOptions(config: ScalingConfig): ForecastOptions {
  const { forecastSampleMs, forecastSamples, forecastWaves, forecastAhead, forecastMin } = config;
  return {
    sampleMs: forecastSampleMs,
    samples: forecastSamples,
    harmonics: forecastWaves,
    ahead: forecastAhead,
    arrivalsMin: forecastMin,
  };
}
