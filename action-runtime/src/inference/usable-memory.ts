/** Runs of onnxruntime in the thread of user code, over memory of any kind. */
import { type InferenceSession, type InferenceSessionHandler, type OnnxValue, Tensor } from 'onnxruntime-common';
import { copyOf, fedOf, fill, isUsable, readValue, type ReadValue } from './tensors';

type Feeds = Readonly<Record<string, OnnxValue>>;
type Fetches = Readonly<Record<string, OnnxValue | null>>;
type Results = Awaited<ReturnType<InferenceSessionHandler['run']>>;

/** Runs with the user's values as they are; only those over memory that onnxruntime cannot use are copied. */
export async function runOver(
  handler: InferenceSessionHandler,
  feeds: Feeds,
  fetches: Fetches,
  options: InferenceSession.RunOptions,
): Promise<Results> {
  const fed = replaced(feeds, handler.inputNames, (read) => fedOf(copyOf(read)));
  const wanted = replaced<OnnxValue | null>(fetches, Object.keys(fetches), () => null);
  const results = await handler.run(fed, wanted, options);
  if (wanted === fetches) return results;
  for (const [name, given] of Object.entries(fetches)) {
    const result = results[name];
    if (given instanceof Tensor && wanted[name] === null && result !== undefined) fill(given, result);
  }
  return results;
}

/** The same record where there is nothing to replace. Each value is read once. Called twice a run. */
function replaced<T>(
  values: Readonly<Record<string, T>>,
  names: readonly string[],
  by: (read: ReadValue | undefined) => T,
): Readonly<Record<string, T>> {
  let copy: Record<string, T> | undefined;
  for (const name of names) {
    if (!(name in values)) continue;
    const read = readValue(values[name]);
    if (!isUsable(read)) (copy ??= { ...values })[name] = by(read);
  }
  return copy ?? values;
}
