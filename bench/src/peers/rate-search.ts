/** The largest rate at which a server is in time: a bounded bisection. */

export interface RateSearch {
  /** Requests per second that it surely does not serve. */
  above: number;
  /** Probes at most. */
  probes: number;
  /** Share of requests that have to be in time. */
  attainment: number;
}

export interface RatePoint {
  rate: number;
  attainment: number;
}

/**
 * Halves the interval between the largest rate that was in time and the smallest that was not.
 *
 * @param probe the share in time at a rate
 * @returns the largest rate that was in time, 0 where none was, and all that was tried
 */
export async function largestRate(
  { above, probes, attainment }: RateSearch,
  probe: (rate: number) => Promise<number>,
): Promise<{ rate: number; points: RatePoint[] }> {
  let [low, high] = [0, above];
  const points: RatePoint[] = [];
  for (let tried = 0; tried < probes; tried += 1) {
    // Near the most that it can do first: that is where the rate will be.
    const rate = tried === 0 ? 0.8 * above : (low + high) / 2;
    const share = await probe(rate);
    points.push({ rate, attainment: share });
    if (share >= attainment) low = rate;
    else high = rate;
  }
  return { rate: low, points };
}
