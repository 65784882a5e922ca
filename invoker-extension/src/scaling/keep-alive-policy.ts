import { FixedKeepAlive, type KeepAlivePolicy } from './keep-alive';
import { GreedyDualKeepAlive } from './greedy-dual';
import { HistogramKeepAlive } from './idle-histogram';

export const KEEP_ALIVE_POLICIES = ['fixed', 'histogram', 'greedy-dual'] as const;

export interface KeepAliveSettings {
  keepAlivePolicy: (typeof KEEP_ALIVE_POLICIES)[number];
  keepAliveMs: number;
}

/** Actions whose arrivals a policy remembers. */
const GROUPS_MAX = 10_000;

/** One second doubled ten times: gaps up to 17 minutes; of those nearly all are to be outlived. */
const HISTOGRAM = { binMs: 1_000, bins: 11, percentile: 0.99, samplesMin: 10 };

/** Makes the configured policy. */
export function keepAliveOf({ keepAlivePolicy, keepAliveMs }: KeepAliveSettings): KeepAlivePolicy {
  switch (keepAlivePolicy) {
    case 'fixed':
      return new FixedKeepAlive(keepAliveMs);
    case 'histogram':
      return new HistogramKeepAlive({ ...HISTOGRAM, fallbackMs: keepAliveMs, groupsMax: GROUPS_MAX });
    case 'greedy-dual':
      return new GreedyDualKeepAlive({ keepMsMax: keepAliveMs, groupsMax: GROUPS_MAX });
  }
}
