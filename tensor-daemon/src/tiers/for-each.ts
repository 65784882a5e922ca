/** Runs a job for each item, `parallelism` at a time. After a failure nothing new begins; it is thrown when all have ended. */
export async function forEachOf<T>(
  items: Iterable<T>,
  parallelism: number,
  job: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); !failed && next.done !== true; next = queue.next()) {
      await job(next.value).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: parallelism }, lane));
  const first = lanes.find((ended) => ended.status === 'rejected');
  if (first !== undefined) throw first.reason;
}
