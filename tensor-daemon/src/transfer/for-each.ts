/**
 * Runs a job for each item, `parallelism` at a time, and tells each in which of so many lanes it runs. After a failure
 * nothing new begins; it is thrown when all have ended.
 */
export async function forEachOf<T>(
  items: Iterable<T>,
  parallelism: number,
  job: (item: T, lane: number) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failed = false;
  const run = async (lane: number): Promise<void> => {
    for (let next = queue.next(); !failed && next.done !== true; next = queue.next()) {
      await job(next.value, lane).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: parallelism }, (_, lane) => run(lane)));
  const first = lanes.find((ended) => ended.status === 'rejected');
  if (first !== undefined) throw first.reason;
}
