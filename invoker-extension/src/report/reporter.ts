/** Makes the report that goes with a status now and then: memory as the daemon counts it, functions as they did. */
import {
  type DaemonOperator,
  errorMessage,
  type FunctionReport,
  type InstanceCount,
  type Logger,
  type NodeReport,
  type StoreTotals,
  valueOf,
} from '@tetris/common';
import { LRUCache } from 'lru-cache';
import type { AnsweredRun } from '../instances/instance-manager';
import { type Instance, stateShown } from '../instances/instance-record';
import type { InstanceSettings } from '../scaling/settings';
import { FunctionFigures } from './function-figures';

export interface ReporterOptions {
  daemon: Pick<DaemonOperator, 'totals'> | undefined;
  instances: () => Iterable<Readonly<Instance<unknown>>>;
  /** See {@link NodeMemory.privateBytes}. */
  privateBytes: () => number;
  /** Functions that are reported; those used last. */
  functionsMax: number;
  /** What "lately" is, ms. */
  windowMs: number;
  log: Logger;
  nowMs: () => number;
}

/** Which function an activation is of. */
export interface FunctionName {
  action: string;
  namespace: string;
}

const keyOf = ({ action, namespace }: FunctionName): string => `${namespace} ${action}`;

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #sinceMs: number;
  readonly #functions: LRUCache<string, { name: FunctionName; figures: FunctionFigures }>;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#sinceMs = options.nowMs();
    this.#functions = new LRUCache({ max: options.functionsMax });
  }

  answered(name: FunctionName, settings: InstanceSettings, { activation, inference }: AnsweredRun): void {
    const { annotations, duration } = activation;
    const waitMs = Number(valueOf(annotations, 'waitTime') ?? 0);
    const answered = {
      latencyMs: waitMs + (duration ?? 0),
      cold: valueOf(annotations, 'initTime') !== undefined,
      batch: inference?.batch,
      sloMs: settings.sloMs,
    };
    const nowMs = this.#options.nowMs();
    this.#figuresOf(name, nowMs).answered(answered, nowMs);
  }

  refused(name: FunctionName, reason: string): void {
    this.#figuresOf(name, this.#options.nowMs()).refused(reason);
  }

  /** Never rejects: where the daemon is away the store is told as empty. */
  async report(): Promise<NodeReport> {
    const { nowMs } = this.#options;
    const windowMs = Math.max(1, Math.min(this.#options.windowMs, nowMs() - this.#sinceMs));
    const totals = await this.#totals();
    const { uniqueBytes = 0, leasedBytes = 0, unsharedBytes = 0 } = totals ?? {};
    const privateBytes = this.#options.privateBytes();
    const memory = { storeBytes: uniqueBytes, leasedBytes, unsharedBytes, privateBytes };
    return { atMs: nowMs(), windowMs, memory, functions: this.#reports(nowMs()) };
  }

  #reports(nowMs: number): FunctionReport[] {
    const instances = this.#instanceCounts();
    for (const [key, { name }] of instances) if (!this.#functions.has(key)) this.#figuresOf(name, nowMs);
    return [...this.#functions].map(([key, { name, figures }]) => ({
      ...name,
      ...figures.report(nowMs),
      instances: [...(instances.get(key)?.counts.values() ?? [])],
    }));
  }

  #instanceCounts(): Map<string, { name: FunctionName; counts: Map<string, InstanceCount> }> {
    const functions = new Map<string, { name: FunctionName; counts: Map<string, InstanceCount> }>();
    for (const instance of this.#options.instances()) {
      const { group, settings } = instance;
      const state = stateShown(instance);
      const { revision: action, namespace } = group.description;
      const name = { action, namespace };
      const known = functions.get(keyOf(name)) ?? { name, counts: new Map<string, InstanceCount>() };
      functions.set(keyOf(name), known);
      const shape = shapeName(settings);
      const count = known.counts.get(`${state} ${shape}`) ?? { state, shape, count: 0 };
      known.counts.set(`${state} ${shape}`, { ...count, count: count.count + 1 });
    }
    return functions;
  }

  #figuresOf(name: FunctionName, nowMs: number): FunctionFigures {
    const key = keyOf(name);
    const known = this.#functions.get(key) ?? { name, figures: new FunctionFigures(this.#options.windowMs, nowMs) };
    this.#functions.set(key, known);
    return known.figures;
  }

  async #totals(): Promise<StoreTotals | undefined> {
    try {
      return await this.#options.daemon?.totals();
    } catch (error) {
      this.#options.log.debug({ reason: errorMessage(error) }, 'tensor daemon does not answer');
      return undefined;
    }
  }
}

/** Workers, threads of each, requests in one execution. */
const shapeName = ({ workers, threads, batch }: InstanceSettings): string => `p=${workers} t=${threads} b=${batch}`;
