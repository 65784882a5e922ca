/**
 * What an invoker tells people of its node and its functions, with its status. Placement reads none of it. What is
 * counted over time is counted in a way that adds up over nodes.
 */

/** Bytes of one node. Kept tensors (in the store, leased by nobody) are `storeBytes - leasedBytes`. */
export interface NodeMemory {
  /** Of all tensors in the store, each once; 0 without a daemon. */
  storeBytes: number;
  /** Of those that instances lease. */
  leasedBytes: number;
  /** The same if every lease had a copy of its own. */
  unsharedBytes: number;
  /** What belongs to one instance each, with what is set aside for those on their way up. */
  privateBytes: number;
}

/** Living instances of one function that are alike. */
export interface InstanceCount {
  /** A state of `docs/instances.md`. */
  state: string;
  /** Inference workers, threads of each and requests in one execution: `p=1 t=1 b=8`. */
  shape: string;
  count: number;
}

/** One action revision as one namespace invokes it, on one node. */
export interface FunctionReport {
  /** See `actionKey`. */
  action: string;
  namespace: string;
  /** Latency objective, ms. */
  sloMs?: number;
  instances: InstanceCount[];
  /** Since the invoker began. */
  activations: number;
  coldStarts: number;
  refusals: Record<string, number>;
  /** Over the last {@link NodeReport.windowMs}. */
  answered: number;
  /** Of these, those within the objective. */
  inTime: number;
  /** Requests of the executions that they were part of, added up, and how many told of one. */
  batchSum: number;
  batchCount: number;
  /** Time from the start of the transaction to the answer: pairs of {@link latencyBucket} and how many are in it. */
  latency: [bucket: number, count: number][];
}

export interface NodeReport {
  /** Epoch ms. */
  atMs: number;
  windowMs: number;
  memory: NodeMemory;
  /** Those used last, up to a bound. */
  functions: FunctionReport[];
}

/** Each bucket is so much wider than the one before: a percentile is told within half of that. */
const GROWTH = 1.1;
const BUCKETS_MAX = 160;

/** The bucket of a time: 0 up to 1 ms, the last from some 50 minutes on. */
export function latencyBucket(ms: number): number {
  return ms <= 1 ? 0 : Math.min(BUCKETS_MAX - 1, Math.ceil(Math.log(ms) / Math.log(GROWTH)));
}

/** The middle of a bucket, ms. */
export const bucketMs = (bucket: number): number => (bucket === 0 ? 1 : GROWTH ** (bucket - 0.5));

/** How many answers took how long, by {@link latencyBucket}: those of several reports add up. */
export class LatencyCounts {
  readonly #counts = new Float64Array(BUCKETS_MAX);
  #total = 0;

  /** @param latency see {@link FunctionReport.latency}; buckets that there are not are left out */
  add(latency: FunctionReport['latency']): void {
    for (const [bucket, count] of latency) {
      const before = this.#counts[bucket];
      if (before === undefined) continue;
      this.#counts[bucket] = before + count;
      this.#total += count;
    }
  }

  /** The time that so large a share of the answers does not exceed, ms; undefined where there are none. */
  percentile(share: number): number | undefined {
    if (this.#total === 0) return undefined;
    let seen = 0;
    return bucketMs(this.#counts.findIndex((count) => (seen += count) >= share * this.#total && count > 0));
  }
}
