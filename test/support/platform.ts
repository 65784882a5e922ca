/** A started platform and a real client for it, for tests of the whole. */
import openwhisk from 'openwhisk';
import type { Feed } from '@tetris/bench';
import { type Platform } from '@tetris/standalone';

/** The npm client `openwhisk`, unmodified. */
export function clientOf({ url, auth }: Pick<Platform, 'url' | 'auth'>): openwhisk.Client {
  return openwhisk({ apihost: url, api_key: auth });
}

/** JSON as it came; tests read it freely and their expectations check it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any;

/** The fields of an activation record that tests look at. */
export interface ActivationRecord {
  activationId: string;
  response: { status: string; success: boolean; result: Json };
  logs: string[];
  annotations: { key: string; value: unknown }[];
}

/** Status of an HTTP call that the client rejected, with the body's error. */
export async function rejection(call: Promise<unknown>): Promise<{ status: number; error: Json }> {
  try {
    await call;
  } catch (error) {
    const { statusCode, error: body } = error as { statusCode: number; error: unknown };
    return { status: statusCode, error: body };
  }
  throw new Error('the call succeeded');
}

/** An ordinary action that runs a model once for `{model, feeds}` and answers with every output and its pid. */
export const INFER_CODE = `
const ort = require('onnxruntime-node');
const sessions = new Map();
const ARRAYS = { float32: (data) => Float32Array.from(data), int64: (data) => BigInt64Array.from(data.map(BigInt)) };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
exports.main = async ({ model, feeds, pauseMs = 0 }) => {
  if (!sessions.has(model)) sessions.set(model, ort.InferenceSession.create(model));
  const session = await sessions.get(model);
  const tensors = feeds.map(({ name, type, dims, data }) => [name, new ort.Tensor(type, ARRAYS[type](data), dims)]);
  const results = await session.run(Object.fromEntries(tensors));
  if (pauseMs > 0) await pause(pauseMs);
  const plain = Object.entries(results).map(([name, { dims, data }]) => [name, { dims, data: Array.from(data) }]);
  return { pid: process.pid, outputs: Object.fromEntries(plain) };
};
`;

/** Feeds as JSON for {@link INFER_CODE}. */
export function plainFeeds(feeds: readonly Feed[]): object[] {
  return feeds.map((feed) => ({ ...feed, data: Array.from<number | bigint, number>(feed.data, Number) }));
}
