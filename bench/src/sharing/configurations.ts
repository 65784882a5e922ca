import { availableParallelism } from 'node:os';

/** One way to run the same action on the same platform under the same load. Tensors are shared in all of them. */
export interface Configuration {
  name: ConfigurationName;
  annotations: (sloMs: number) => Readonly<Record<string, unknown>>;
  /** Settings of the platform by their environment names. */
  settings: Readonly<Record<string, string>>;
}

export type ConfigurationName = 'single' | 'batching' | 'concurrency' | 'sharing';

const BATCH = 8;
const ROOM = 16;
const cores = availableParallelism();

/** Every core has a worker that joins requests: what a machine can do at most. */
export const SATURATED: Omit<Configuration, 'name'> = {
  annotations: () => ({ 'tetris-concurrency': cores * BATCH, 'tetris-batching': BATCH }),
  settings: { TETRIS_INVOKER_WORKERS: String(cores) },
};

export const CONFIGURATIONS: readonly Configuration[] = [
  {
    name: 'single',
    annotations: () => ({ 'tetris-concurrency': 1, 'tetris-batching': false }),
    settings: {},
  },
  {
    name: 'batching',
    annotations: () => ({ 'tetris-concurrency': ROOM, 'tetris-batching': BATCH }),
    settings: {},
  },
  {
    name: 'concurrency',
    annotations: () => ({ 'tetris-concurrency': ROOM, 'tetris-batching': false }),
    settings: { TETRIS_INVOKER_WORKERS: String(cores) },
  },
  {
    name: 'sharing',
    // Workers, batches and how long to wait for batch mates are the scaler's to choose.
    annotations: (sloMs) => ({ 'tetris-slo': sloMs }),
    settings: {},
  },
];
