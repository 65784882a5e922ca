/**
 * Keep-alive from the idle times an action has shown, after Shahrad et al., "Serverless in the Wild" (USENIX ATC '20):
 * stay as long as nearly all of its gaps were, no longer. Pure.
 */
import { LRUCache } from 'lru-cache';
import type { IdleInstance, KeepAlivePolicy } from './keep-alive';

export interface HistogramOptions {
  /** Width of the first bin, ms; each next one is twice as wide, so that minutes and hours fit in few bins. */
  binMs: number;
  bins: number;
  /** Share of gaps that an instance should outlive. */
  percentile: number;
  /** Gaps needed before the histogram is believed. */
  samplesMin: number;
  /** Time to stay until then, and where gaps are longer than the histogram is wide, ms. */
  fallbackMs: number;
  /** Actions remembered; the one not seen for longest is forgotten. */
  groupsMax: number;
}

interface Gaps {
  lastMs: number;
  counts: number[];
  samples: number;
}

export class HistogramKeepAlive implements KeepAlivePolicy {
  readonly #options: HistogramOptions;
  readonly #groups: LRUCache<string, Gaps>;

  constructor(options: HistogramOptions) {
    this.#options = options;
    this.#groups = new LRUCache({ max: options.groupsMax });
  }

  arrived(group: string, nowMs: number): void {
    const gaps = this.#groups.get(group);
    if (gaps === undefined) {
      this.#groups.set(group, { lastMs: nowMs, counts: new Array<number>(this.#options.bins).fill(0), samples: 0 });
      return;
    }
    const bin = this.#binOf(nowMs - gaps.lastMs);
    gaps.lastMs = nowMs;
    gaps.samples += 1;
    const count = gaps.counts[bin];
    // A gap longer than the last bin counts as a sample that no bin holds.
    if (count !== undefined) gaps.counts[bin] = count + 1;
  }

  keepMs({ group }: IdleInstance): number {
    const { percentile, samplesMin, fallbackMs, binMs } = this.#options;
    const gaps = this.#groups.peek(group);
    if (gaps === undefined || gaps.samples < samplesMin) return fallbackMs;
    let seen = 0;
    for (const [bin, count] of gaps.counts.entries()) {
      seen += count;
      // The upper edge of the bin that holds the percentile.
      if (seen >= percentile * gaps.samples) return binMs * 2 ** bin;
    }
    return fallbackMs;
  }

  /** The one whose next use is farthest away by its own record leaves first. */
  priority(instance: IdleInstance): number {
    return instance.idleSinceMs - this.keepMs(instance);
  }

  evicted(): void {
    // The gaps of an action do not depend on what became of its instances.
  }

  /** Bin k holds gaps up to binMs * 2^k. */
  #binOf(gapMs: number): number {
    return gapMs <= this.#options.binMs ? 0 : Math.ceil(Math.log2(gapMs / this.#options.binMs));
  }
}
