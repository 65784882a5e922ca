import type { InferenceSessionHandler } from 'onnxruntime-common';
import type { PoolModel } from './pool-session';

/** Where the sessions of an instance are run: in worker threads, or in the thread of user code. */
export interface InferenceEngine {
  /**
   * Loads a model.
   *
   * @param onRelease gives back what the model was placed with, once user code has released the session
   * @throws onnxruntime's own error
   */
  load(model: PoolModel, onRelease: () => Promise<void>): Promise<InferenceSessionHandler>;
  /**
   * Frees the memory of all sessions that can be loaded again, which their next run does. Sessions that are running
   * stay.
   */
  sleep(): Promise<void>;
}
