interface Stoppable {
  stop(): Promise<void>;
}

/**
 * Waits for servers that start beside each other.
 *
 * @throws what kept the first of them from starting, when those that did start are stopped: nobody else could
 */
export async function startAll<T extends Record<string, Stoppable>>(starting: {
  [K in keyof T]: Promise<T[K]>;
}): Promise<T> {
  const names = Object.keys(starting);
  const outcomes = await Promise.allSettled(names.map(async (name) => starting[name]));
  const failed = outcomes.find(({ status }) => status === 'rejected');
  if (failed === undefined) {
    return Object.fromEntries(outcomes.map((outcome, index) => [names[index], valueOf(outcome)])) as T;
  }
  await Promise.all(outcomes.map(async (outcome) => valueOf(outcome)?.stop()));
  throw (failed as PromiseRejectedResult).reason;
}

const valueOf = <V>(outcome: PromiseSettledResult<V>): V | undefined =>
  outcome.status === 'fulfilled' ? outcome.value : undefined;
