import { type InferenceSession, type InferenceSessionHandler, type OnnxValue, Tensor } from 'onnxruntime-common';
import type { PoolSession } from '../inference/pool-session';
import type { Outputs, SessionInfo, WireTensor, WireValue } from '../inference/protocol';
import { copyOf, tensorOf } from '../inference/tensors';
import { notice } from './notice';

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

  /** The feeds' bytes are copied before this returns its promise; the caller may reuse them at once. */
  async run(feeds: Feeds, fetches: Fetches, options: InferenceSession.RunOptions): Promise<Record<string, OnnxValue>> {
    this.#session.admit(bytesOf(feeds));
    const input = { feeds: this.#copied(feeds), fetches: preallocated(fetches), options: { ...options } };
    return results(await this.#session.run(input), fetches);
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

  /** Only what the model takes: onnxruntime ignores the rest, and copies of it would be wasted. */
  #copied(feeds: Feeds): Record<string, WireValue> {
    const names = this.#info.inputNames.filter((name) => name in feeds);
    return Object.fromEntries(names.map((name) => [name, copyOf(feeds[name])]));
  }
}

/** Bytes of what will be copied; texts and what is no tensor count nothing. */
function bytesOf(feeds: Feeds): number {
  const sizes = Object.values(feeds).map((value) => {
    const data: unknown = value instanceof Tensor ? value.data : undefined;
    return ArrayBuffer.isView(data) ? data.byteLength : 0;
  });
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** Tensors that the caller wants results written to: their type and shape are checked by onnxruntime in the worker. */
function preallocated(fetches: Fetches): Record<string, WireTensor | null> {
  const wanted = Object.entries(fetches).map(([name, value]) => {
    const copied = value === null ? { value } : copyOf(value);
    return [name, 'tensor' in copied ? copied.tensor : null];
  });
  return Object.fromEntries(wanted) as Record<string, WireTensor | null>;
}

function results(outputs: Outputs, fetches: Fetches): Record<string, OnnxValue> {
  const named = Object.entries(outputs).map(([name, output]) => {
    const given = fetches[name];
    if (given instanceof Tensor) fill(given, output);
    return [name, tensorOf(output)];
  });
  return Object.fromEntries(named) as Record<string, OnnxValue>;
}

/** Writes a result into the caller's own tensor too, as stock does. */
function fill(tensor: Tensor, { data }: WireTensor): void {
  const target = tensor.data as ArrayLike<unknown>;
  if (Array.isArray(target)) (data as string[]).forEach((text, index) => (target[index] = text));
  else (target as Float32Array).set(data as Float32Array);
}
