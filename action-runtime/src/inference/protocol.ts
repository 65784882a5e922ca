/** What the main thread and an inference worker say to each other. Requests are answered in the order they came. */
import type { InferenceSession, Tensor } from 'onnxruntime-common';

/** A tensor on its way between threads: the bytes' buffer is transferred, strings are cloned. */
export interface WireTensor {
  type: Tensor.Type;
  dims: readonly number[];
  data: Tensor.DataType;
}

/**
 * A fed value: a tensor, or what is left of something else, for onnxruntime itself to refuse. Null for what is no
 * object.
 */
export type WireValue =
  { tensor: WireTensor } | { value: Readonly<Record<keyof WireTensor | 'location', unknown>> | null };

/** Where a worker finds a model. `bytes` is a file whose content is handed to onnxruntime as a buffer. */
export interface ModelFile {
  kind: 'path' | 'bytes';
  path: string;
}

export interface LoadRequest {
  kind: 'load';
  sessionId: number;
  file: ModelFile;
  options: InferenceSession.SessionOptions;
}

export interface RunRequest {
  kind: 'run';
  sessionId: number;
  feeds: Record<string, WireValue>;
  /** Output name to preallocated tensor, or null. */
  fetches: Record<string, WireValue | null>;
  options: InferenceSession.RunOptions;
}

/** A run without its session. */
export type RunInput = Pick<RunRequest, 'feeds' | 'fetches' | 'options'>;

export type WorkerRequest =
  | LoadRequest
  | RunRequest
  | { kind: 'release'; sessionId: number }
  /** Makes, runs and releases a session of one node, so that the first model finds onnxruntime set up. */
  | { kind: 'warmUp' }
  /** Frees every session and gives their memory back; the thread is ended upon the answer. */
  | { kind: 'end' }
  | { kind: 'endProfiling'; sessionId: number };

/** What a loaded session says of itself. */
export interface SessionInfo {
  inputNames: readonly string[];
  outputNames: readonly string[];
  inputMetadata: readonly InferenceSession.ValueMetadata[];
  outputMetadata: readonly InferenceSession.ValueMetadata[];
}

export type Outputs = Record<string, WireTensor>;

/** The class of an error survives the way where it is one of these. */
export type ErrorClass = 'Error' | 'TypeError' | 'RangeError';

export interface WireFailure {
  name: ErrorClass;
  message: string;
}

/** What a request brings where it succeeds. */
export type Answer = { info: SessionInfo } | { outputs: Outputs } | Record<never, never>;

/** Replies come in the order of the requests; `id` is the request's number among those sent to the worker, from 1. */
export type WorkerReply = { id: number } & (({ ok: true } & Answer) | { ok: false; error: WireFailure });
