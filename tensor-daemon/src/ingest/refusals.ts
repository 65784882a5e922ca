import type { ErrorCode, PluginError } from '@tetris/common/errors';
import { LRUCache } from 'lru-cache';

/** What says something about the model, rather than about the moment. */
const LASTING: readonly ErrorCode[] = ['ERR_MODEL_INVALID', 'ERR_MODEL_UNSHAREABLE', 'ERR_INGEST_FAILED'];

/** Models that could not be ingested, for a time: each further try would cost as much as the first and end like it. */
export class Refusals {
  readonly #refused: LRUCache<string, PluginError>;

  /**
   * @param countMax models remembered; the longest unused are forgotten first
   * @param ttlMs after which a model is tried again
   * @param now epoch milliseconds
   */
  constructor(countMax: number, ttlMs: number, now: () => number) {
    this.#refused = new LRUCache({ max: countMax, ttl: ttlMs, ttlResolution: 0, perf: { now } });
  }

  /** @throws PluginError the refusal of a model that is remembered */
  check(modelKey: string): void {
    const refusal = this.#refused.get(modelKey);
    if (refusal !== undefined) throw refusal;
  }

  /** Remembers why a model was refused, unless another try may end otherwise. */
  note(modelKey: string, error: PluginError): void {
    if (!error.retriable && LASTING.includes(error.code)) this.#refused.set(modelKey, error);
  }
}
