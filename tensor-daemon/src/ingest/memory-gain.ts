/**
 * Whether sharing a model pays. Weights that a kernel packs in a form which cannot be saved are each session's own,
 * however the model is loaded; where that is most of them, the node keeps the shared copy for nothing.
 */
import type { Unshareable } from '@tetris/onnx-format';

/** Sharing has to pay from so many instances on. */
const INSTANCES = 3;

/** Below this much of tensors nothing is judged: what a process takes besides varies by about as much. */
const TENSOR_BYTES_MIN = 4 * 1024 ** 2;

/** A session over mapped tensors takes about so much for itself. */
const SESSION_BYTES = 8 * 1024 ** 2;

/** Private memory beyond that, as a share of the tensors, from which a plain session is measured beside it. */
const PRIVATE_SHARE = 0.25;

/** Whether a session over a cut model keeps so much for itself that it should be compared with a plain one. */
export function keepsMuch(tensorBytes: number, privateBytes: number): boolean {
  return tensorBytes >= TENSOR_BYTES_MIN && privateBytes > SESSION_BYTES + PRIVATE_SHARE * tensorBytes;
}

/**
 * Undefined where sharing pays, or why not.
 *
 * @param cutBytes private memory of a session over the cut model; `plainBytes`: of a plain one
 */
export function whyNoGain(tensorBytes: number, cutBytes: number, plainBytes: number): Unshareable | undefined {
  if (INSTANCES * (plainBytes - cutBytes) >= tensorBytes) return undefined;
  const [shared, cut, plain] = [tensorBytes, cutBytes, plainBytes].map((bytes) => `${(bytes / 1e6).toFixed(0)} MB`);
  const kept = `an instance would keep ${cut} for itself beside ${shared} in the store`;
  const detail = `sharing it gains nothing: ${kept}, and loads it privately in ${plain}`;
  return { reason: 'no-gain', detail };
}
