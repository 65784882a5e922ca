/** What the main thread and an inference worker say to each other. Requests are answered in the order they came. */
import type { InferenceSession, Tensor } from 'onnxruntime-common';

/** A tensor on its way between threads: the bytes' buffer is transferred, strings are cloned. */
export interface WireTensor {
  type: Tensor.Type;
  dims: readonly number[];
  data: Tensor.DataType;
}

/** A fed value: a tensor, or whatever else the user put there, for onnxruntime itself to refuse. */
export type WireValue = { tensor: WireTensor } | { value: unknown };

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
  fetches: Record<string, WireTensor | null>;
  options: InferenceSession.RunOptions;
}

/** A run without its session. */
export type RunInput = Pick<RunRequest, 'feeds' | 'fetches' | 'options'>;

export type WorkerRequest =
  | LoadRequest
  | RunRequest
  | { kind: 'release'; sessionId: number }
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

export type WorkerReply = { id: number } & (
  { ok: true; info: SessionInfo } | { ok: true; outputs: Outputs } | { ok: true } | { ok: false; error: WireFailure }
);
