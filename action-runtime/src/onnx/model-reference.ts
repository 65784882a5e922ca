import { fileURLToPath } from 'node:url';

/** What the first argument of `InferenceSession.create` names. */
export type ModelReference = LocalReference | { kind: 'url'; name: string };

/** A model that this instance can read itself. `name` is for messages: what the user wrote. */
export type LocalReference =
  /** `path` is as the user wrote it, so that errors and external data are stock's. */
  { kind: 'file'; name: string; path: string } | { kind: 'bytes'; name: string; bytes: Uint8Array };

/** Stock onnxruntime knows no URLs. The daemon fetches these; everything else that looks like one is a path. */
const FETCHED = /^https?:\/\//i;

/** Whether there is such a model is found out when it is loaded. */
export function modelReference(model: string | Uint8Array): ModelReference {
  if (typeof model !== 'string') return { kind: 'bytes', name: `model of ${model.byteLength} bytes`, bytes: model };
  if (FETCHED.test(model)) return { kind: 'url', name: model };
  return { kind: 'file', name: model, path: model.startsWith('file:') ? pathOf(model) : model };
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}
