import type { InferenceEngine } from '../inference/engine';
import type { WorkerPool } from '../inference/pool';
import { SessionHandler } from './session-handler';

/** Sessions that are run in worker threads. They are not put to sleep: other activations of the instance may come. */
export function workerEngine(pool: WorkerPool): InferenceEngine {
  return {
    load: async (model, onRelease) => new SessionHandler(await pool.load(model), onRelease),
    sleep: () => Promise.resolve(),
  };
}
