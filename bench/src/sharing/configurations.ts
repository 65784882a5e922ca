import { availableParallelism } from 'node:os';

/** One way to run the same action on the same platform under the same load. Tensors are shared in all of them. */
export interface Configuration {
  name: ConfigurationName;
  annotations: (sloMs: number) => Readonly<Record<string, unknown>>;
  /** The platform finds out by itself how to run the instances, which takes time. */
  learns: boolean;
  /** Settings of the platform by their environment names. */
  settings: Readonly<Record<string, string>>;
}

export type ConfigurationName = 'single' | 'batching' | 'concurrency' | 'sharing';

const BATCH = 8;
const ROOM = 16;
const cores = availableParallelism();

/** Every core has a worker that joins requests: what a machine can do at most. */
export const SATURATED: Pick<Configuration, 'annotations' | 'settings'> = {
  annotations: () => ({ 'tetris-concurrency': cores * BATCH, 'tetris-batching': BATCH }),
  settings: { TETRIS_INVOKER_WORKERS: String(cores) },
};

export const CONFIGURATIONS: readonly Configuration[] = [
  {
    name: 'single',
    annotations: () => ({ 'tetris-concurrency': 1, 'tetris-batching': false }),
    learns: false,
    settings: {},
  },
  {
    name: 'batching',
    annotations: () => ({ 'tetris-concurrency': ROOM, 'tetris-batching': BATCH }),
    learns: false,
    settings: {},
  },
  {
    name: 'concurrency',
    annotations: () => ({ 'tetris-concurrency': ROOM, 'tetris-batching': false }),
    learns: false,
    settings: { TETRIS_INVOKER_WORKERS: String(cores) },
  },
  {
    name: 'sharing',
    // Workers, batches up to this size, and how long to wait for batch mates are the scaler's to choose.
    annotations: (sloMs) => ({ 'tetris-slo': sloMs, 'tetris-batching': BATCH }),
    learns: true,
    // Plans come sooner than by default, so that learning and scaling in end within the time that does not count.
    settings: { TETRIS_INVOKER_PLAN_MS: '1000' },
  },
];

export function configurationOf(name: ConfigurationName): Configuration {
  const found = CONFIGURATIONS.find((configuration) => configuration.name === name);
  if (found === undefined) throw new RangeError(`no configuration named '${name}'`);
  return found;
}
