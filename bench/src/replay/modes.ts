import { PLAIN } from '../platform/plain';

/** The policies that are compared. All run on the same platform, and differ in these settings alone. */

export interface Mode {
  kind: 'nodejs:tetris' | 'nodejs:20';
  /** What functions ask for. */
  annotations: (sloMs: number) => Readonly<Record<string, unknown>>;
  settings: Readonly<Record<string, string>>;
}

const BATCH = 8;
const CONCURRENCY = 8;
/** Instances load from the store, and none shares what another has there. */
const APART = { TETRIS_DAEMON_SHARING: 'off' };
/** Plans come sooner, as time is compressed. */
const PLANS = { TETRIS_INVOKER_PLAN_MS: '1000' };

export const MODES = {
  /** Tensors and runtimes are shared, as planned for the objective. */
  tetris: {
    kind: 'nodejs:tetris',
    annotations: (sloMs) => ({ 'tetris-slo': sloMs, 'tetris-batching': BATCH }),
    settings: PLANS,
  },
  /** The same without sharing of tensors. */
  'tetris-ro': {
    kind: 'nodejs:tetris',
    annotations: (sloMs) => ({ 'tetris-slo': sloMs, 'tetris-batching': BATCH }),
    settings: { ...PLANS, ...APART },
  },
  /** As INFless: an instance joins requests into batches; nothing else is shared. */
  batching: {
    kind: 'nodejs:tetris',
    annotations: () => ({ 'tetris-concurrency': BATCH, 'tetris-batching': BATCH }),
    settings: APART,
  },
  /** As Photons: an instance runs several requests at once, each by itself, over one model; nothing is shared beyond. */
  threads: {
    kind: 'nodejs:tetris',
    annotations: () => ({ 'tetris-concurrency': CONCURRENCY, 'tetris-batching': false }),
    settings: { ...APART, TETRIS_INVOKER_WORKERS: '2' },
  },
  /** OpenWhisk without this project: one request an instance, each with its own copy. */
  stock: { kind: 'nodejs:20', annotations: () => ({}), settings: PLAIN },
} as const satisfies Record<string, Mode>;

export type ModeName = keyof typeof MODES;
