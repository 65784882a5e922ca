import { posix } from 'node:path';
import type { ModelScan } from './scan';

/** Every reason for which a model itself cannot be shared. Each is loaded privately, as stock onnxruntime loads it. */
export const UNSHAREABLE_REASONS = [
  /** Neither ONNX nor onnxruntime's own format, or damaged: onnxruntime says what is wrong. */
  'no-model',
  /** onnxruntime's own format: its weights are no tensors that could be cut out. */
  'ort-format',
  /** Deeper, larger, or of more fields or files, than is searched or cut. */
  'excessive',
  /** It names external data outside of its folder, which onnxruntime refuses. */
  'external-outside',
  /** onnxruntime loads it, but cannot save it optimized. */
  'not-saved',
  /** onnxruntime saves it in a form that cannot be cut. */
  'not-cut',
  /** Optimized and cut, it has other inputs, outputs or metadata than the original. */
  'interface-changed',
  /** Optimized and cut, onnxruntime does not load it. */
  'cut-not-loaded',
  /** Optimized and cut, it does not run where the original does, or computes other numbers. */
  'answers-changed',
  /** An instance would keep so much for itself that sharing the rest does not pay. */
  'no-gain',
] as const;
export type UnshareableReason = (typeof UNSHAREABLE_REASONS)[number];

export interface Unshareable {
  reason: UnshareableReason;
  /** For people: what it is about. */
  detail: string;
}

/** What is known of a model; each step of the way to the store knows more. */
export interface ModelEvidence {
  /** What its bytes are. */
  scan?: ModelScan;
  /** By which path it is loaded, where it is: onnxruntime takes the name for the format. */
  path?: string;
  /** Why onnxruntime, which loads it, does not save it. */
  saveError?: string;
  /** How the interface of the cut model differs from the original's. */
  interfaceChange?: string;
  /** What onnxruntime says of the cut model. */
  cutError?: string;
  /** How a run of the cut model differs from the original's. */
  answerChange?: string;
}

/** What onnxruntime reads as its own format, whatever it holds. */
const ORT_NAME = /\.ort$/i;

/** Whether a model can be shared as far as is known: undefined, or why not. */
export function whyUnshareable(evidence: ModelEvidence): Unshareable | undefined {
  const { scan, path, saveError, interfaceChange, cutError, answerChange } = evidence;
  if (scan !== undefined && scan.format !== 'onnx') return whyUnreadable(scan);
  if (path !== undefined && ORT_NAME.test(path)) return whyUnreadable({ format: 'ort' });
  const outside = scan?.locations.find((location) => !isInsideFolder(location));
  if (outside !== undefined) {
    return { reason: 'external-outside', detail: `its external data '${outside}' lies outside its folder` };
  }
  if (saveError !== undefined) return { reason: 'not-saved', detail: saveError };
  if (interfaceChange !== undefined) return { reason: 'interface-changed', detail: interfaceChange };
  if (cutError !== undefined) return { reason: 'cut-not-loaded', detail: `cut, it does not load: ${cutError}` };
  if (answerChange !== undefined) {
    return { reason: 'answers-changed', detail: `cut, it answers otherwise: ${answerChange}` };
  }
  return undefined;
}

function whyUnreadable(scan: Exclude<ModelScan, { format: 'onnx' }>): Unshareable {
  switch (scan.format) {
    case 'ort':
      return { reason: 'ort-format', detail: "it is in onnxruntime's own format" };
    case 'unknown':
      return { reason: 'no-model', detail: `it is no ONNX model, or a damaged one: ${scan.detail}` };
    case 'excessive':
      return { reason: 'excessive', detail: scan.detail };
  }
}

/** Whether an external location names something below the model's folder. */
export function isInsideFolder(location: string): boolean {
  const path = posix.normalize(location);
  if (location === '' || location.includes('\0') || posix.isAbsolute(path) || path === '.') return false;
  return !path.split('/').includes('..');
}
