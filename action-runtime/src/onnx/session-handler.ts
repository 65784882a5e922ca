import { type InferenceSession, type InferenceSessionHandler, type OnnxValue, Tensor } from 'onnxruntime-common';
import type { PoolSession } from '../inference/pool-session';
import type { Outputs, SessionInfo } from '../inference/protocol';
import { bytesOf, copyOf, fill, readValue, tensorOf } from '../inference/tensors';
import { notice } from './notice';
import { plainOptions } from './plain-options';

type Feeds = Readonly<Record<string, OnnxValue>>;
type Fetches = Readonly<Record<string, OnnxValue | null>>;

/** What stands behind an `InferenceSession` of user code. onnxruntime-common has checked the arguments. */
export class SessionHandler implements InferenceSessionHandler {
  readonly #session: PoolSession;
  readonly #info: SessionInfo;
  readonly #onRelease: () => Promise<void>;

  /** @param onRelease gives back what the model was placed with */
  constructor(session: PoolSession, onRelease: () => Promise<void>) {
    this.#session = session;
    this.#info = session.info;
    this.#onRelease = onRelease;
  }

  get inputNames(): readonly string[] {
    return this.#info.inputNames;
  }

  get outputNames(): readonly string[] {
    return this.#info.outputNames;
  }

  get inputMetadata(): readonly InferenceSession.ValueMetadata[] {
    return this.#info.inputMetadata;
  }

  get outputMetadata(): readonly InferenceSession.ValueMetadata[] {
    return this.#info.outputMetadata;
  }

  /**
   * The feeds' bytes are copied before this returns its promise, so that the caller may reuse them at once; only where
   * very many runs wait are they copied later.
   */
  async run(feeds: Feeds, fetches: Fetches, options: InferenceSession.RunOptions): Promise<Record<string, OnnxValue>> {
    // Only what the model takes: onnxruntime ignores the rest.
    const names = this.#info.inputNames.filter((name) => name in feeds);
    const fed = names.map((name) => [name, readValue(feeds[name])] as const);
    const wanted = Object.entries(fetches).map(
      ([name, value]) => [name, value === null ? null : readValue(value)] as const,
    );
    const bytes = [...fed, ...wanted].reduce((sum, [, value]) => sum + (value === null ? 0 : bytesOf(value)), 0);
    const sent = plainOptions(options, RUN_OPTIONS);
    const outputs = await this.#session.run(bytes, () => ({
      feeds: mapped(fed, copyOf),
      fetches: mapped(wanted, (value) => (value === null ? null : copyOf(value))),
      options: sent,
    }));
    return results(outputs, fetches);
  }

  /** Frees the session; what is shared stays with the other sessions that use it. */
  async dispose(): Promise<void> {
    await this.#session.release();
    await this.#onRelease();
  }

  /** A no-op, as in stock: profiling begins when a model is loaded with `enableProfiling`. */
  startProfiling(): void {
    return;
  }

  endProfiling(): void {
    this.#session.endProfiling().catch((error: unknown) => notice(`profiling could not be ended: ${String(error)}`));
  }
}

/** Options that onnxruntime reads of a run. */
const RUN_OPTIONS = ['tag', 'logSeverityLevel'] as const satisfies (keyof InferenceSession.RunOptions)[];

function mapped<T, R>(entries: readonly (readonly [string, T])[], to: (value: T) => R): Record<string, R> {
  return Object.fromEntries(entries.map(([name, value]) => [name, to(value)]));
}

function results(outputs: Outputs, fetches: Fetches): Record<string, OnnxValue> {
  const named = Object.entries(outputs).map(([name, output]) => {
    const given = fetches[name];
    if (given instanceof Tensor) fill(given, output);
    return [name, tensorOf(output)];
  });
  return Object.fromEntries(named) as Record<string, OnnxValue>;
}
