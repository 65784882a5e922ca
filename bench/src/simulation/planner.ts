/** The invoker's scaler in simulated time: what it is told, and what becomes of its orders. */
import type { InstanceSettings, Pool, Scaler, ScalingOrders } from '@tetris/invoker-extension';
import type { SimulatedFunction } from './functions';

/** How a plan is carried out. */
export interface PlanEffects {
  planned: (orders: ScalingOrders) => void;
  /** One more instance than anybody asked for. */
  warmUp: (of: SimulatedFunction, settings: InstanceSettings) => void;
}

export interface PlannerOptions {
  scaler: Scaler;
  onOrders?: (orders: ScalingOrders, nowMs: number) => void;
}

/** As the invoker's defaults. */
const BOUNDS = { batchMax: 8, roomMax: 500 };

export class Planner {
  readonly #options: PlannerOptions;
  readonly #functions = new Map<string, SimulatedFunction>();

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  /** A request has come: what the next instance is to be. */
  arrived(of: SimulatedFunction, nowMs: number): { settings: InstanceSettings; coresMax?: number } {
    const { scaler } = this.#options;
    const { sloMs, limitBytes, revision } = of;
    if (sloMs === undefined) return { settings: settingsAlone(of) };
    const key = groupKeyOf(of);
    this.#functions.set(key, of);
    const first = { ...settingsAlone(of), sloMs };
    return scaler.arrived({ key, revision, sloMs, limitBytes, first, ...BOUNDS }, nowMs);
  }

  /** As the invoker does: batches whose sizes are no power of two, and executions in a crowd, tell nothing. */
  ran(
    of: SimulatedFunction,
    settings: InstanceSettings,
    requests: number,
    executionMs: number,
    crowded: boolean,
  ): void {
    if (of.sloMs === undefined || crowded || !Number.isInteger(Math.log2(requests))) return;
    this.#options.scaler.ran(of.revision, { ...settings, batch: requests }, executionMs);
  }

  answered(of: SimulatedFunction, tookMs: number): void {
    if (of.sloMs !== undefined) this.#options.scaler.answered(groupKeyOf(of), tookMs);
  }

  measured(of: SimulatedFunction, settings: InstanceSettings, privateBytes: number): void {
    if (of.sloMs !== undefined) this.#options.scaler.measured(of.revision, settings, privateBytes);
  }

  plan(pool: Pool<unknown>, nowMs: number, { planned, warmUp }: PlanEffects): void {
    const { scaler, onOrders } = this.#options;
    const living = [...pool.instances()]
      .filter(({ state, settings }) => settings.sloMs !== undefined && state !== 'draining' && state !== 'ending')
      .map(({ id, group, settings, state }) => ({
        id,
        group: group.description.key,
        settings,
        ready: state !== 'starting' && state !== 'initialising',
      }));
    const orders = scaler.plan(living, nowMs, pool.memory.budgetBytes - pool.memory.usedBytes);
    onOrders?.(orders, nowMs);
    planned(orders);
    for (const { group, settings } of orders.starts) {
      const of = this.#functions.get(group);
      if (of !== undefined) warmUp(of, settings);
    }
  }

  /** More instances run or start than there are cores, for a while. */
  isCrowded(pool: Pool<unknown>, cores: number): boolean {
    let busy = 0;
    let passing = this.#options.scaler.replaces;
    for (const { state, settings } of pool.instances()) {
      if (state === 'paused' || settings.sloMs === undefined) continue;
      busy += settings.workers * settings.threads;
      passing ||= state === 'starting' || state === 'initialising' || state === 'draining';
    }
    return passing && busy > cores;
  }
}

export const groupKeyOf = ({ namespace, revision }: SimulatedFunction): string => `${namespace} ${revision}`;

/** What instances are where no objective asks for more. */
export const settingsAlone = ({ concurrency }: SimulatedFunction): InstanceSettings => ({
  room: concurrency,
  workers: 1,
  threads: 1,
  batch: 1,
  batchWaitMs: 0,
});
