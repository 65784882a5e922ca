/** What the invokers have reported of one function, added up. Pure. */
import { actionKey, type FunctionReport, LatencyCounts } from '@tetris/common';
import type { SimilarityIndex } from '../placement/similarity';

/** An action as one namespace invokes it, over all nodes and revisions. */
export interface FunctionRow {
  /** `guest/vision/classify` */
  name: string;
  /** The one heard of last. */
  revision: string;
  namespace: string;
  sloMs: number | undefined;
  /** Activations answered in a second, lately. */
  rate: number;
  /** By state, and by shape. */
  states: Record<string, number>;
  shapes: Record<string, number>;
  batch: number | undefined;
  /** 0..1, lately; undefined without an objective or an answer. */
  inTime: number | undefined;
  p50Ms: number | undefined;
  p99Ms: number | undefined;
  activations: number;
  coldStarts: number;
  refusals: Record<string, number>;
  /** Of its tensors, each once; undefined while they are not known. */
  tensorBytes: number | undefined;
  /** SHA-256 of the models that it loads, as they came. */
  models: readonly string[];
}

/** The reports of one function from several nodes, added up. */
export class FunctionSums {
  readonly #name: string;
  #revision = '';
  readonly #namespace: string;
  #sloMs: number | undefined;
  #rate = 0;
  #inTime = 0;
  #answered = 0;
  #batchSum = 0;
  #batchCount = 0;
  #activations = 0;
  #coldStarts = 0;
  readonly #refusals: Record<string, number> = {};
  readonly #states: Record<string, number> = {};
  readonly #shapes: Record<string, number> = {};
  readonly #latency = new LatencyCounts();

  constructor(name: string, namespace: string) {
    this.#name = name;
    this.#namespace = namespace;
  }

  add(revision: string, report: FunctionReport, windowMs: number): void {
    this.#revision = revision;
    this.#sloMs = report.sloMs ?? this.#sloMs;
    this.#rate += (1000 * report.answered) / windowMs;
    this.#answered += report.answered;
    this.#inTime += report.inTime;
    this.#batchSum += report.batchSum;
    this.#batchCount += report.batchCount;
    this.#activations += report.activations;
    this.#coldStarts += report.coldStarts;
    for (const [reason, count] of Object.entries(report.refusals)) addTo(this.#refusals, reason, count);
    for (const { state, shape, count } of report.instances) {
      addTo(this.#states, state, count);
      addTo(this.#shapes, shape, count);
    }
    this.#latency.add(report.latency);
  }

  row(similarity: Pick<SimilarityIndex, 'demand'>): FunctionRow {
    const demand = similarity.demand(actionKey(this.#name, this.#revision));
    return {
      name: this.#name,
      revision: this.#revision,
      namespace: this.#namespace,
      sloMs: this.#sloMs,
      rate: this.#rate,
      states: this.#states,
      shapes: this.#shapes,
      batch: this.#batchCount === 0 ? undefined : this.#batchSum / this.#batchCount,
      inTime: this.#sloMs === undefined || this.#answered === 0 ? undefined : this.#inTime / this.#answered,
      p50Ms: this.#latency.percentile(0.5),
      p99Ms: this.#latency.percentile(0.99),
      activations: this.#activations,
      coldStarts: this.#coldStarts,
      refusals: this.#refusals,
      tensorBytes: demand?.set.totalBytes,
      models: demand?.models ?? [],
    };
  }
}

const addTo = (counts: Record<string, number>, name: string, count: number): void => {
  counts[name] = (counts[name] ?? 0) + count;
};
