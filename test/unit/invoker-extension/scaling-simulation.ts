/** A node in simulated time: the real pool and scaler over instances that take as long as a given truth says. */
import type { Execution } from '../../../invoker-extension/src/instances/instance-record';
import { FixedKeepAlive } from '../../../invoker-extension/src/scaling/keep-alive';
import { Pool, type PoolCommand } from '../../../invoker-extension/src/instances/pool';
import type { LivingInstance, ScaledGroup } from '../../../invoker-extension/src/scaling/group-scaler';
import { shapesUpTo } from '../../../invoker-extension/src/scaling/online-profile';
import type { InstanceShape } from '../../../invoker-extension/src/scaling/profile';
import type { Scaler, ScalerOptions, ScalingOrders } from '../../../invoker-extension/src/scaling/scaler';
import { type InstanceSettings, shapeOf } from '../../../invoker-extension/src/scaling/settings';

export interface SimulationOptions {
  /** Undefined: every instance has these settings, and starts by demand alone. */
  scaler?: Scaler;
  settings: InstanceSettings;
  sloMs: number;
  /** What an execution of a full batch takes in this shape at this time, and what an instance of it holds. */
  truth: (shape: InstanceShape, nowMs: number) => { latencyMs: number; privateBytes: number };
  random: () => number;
  budgetBytes?: number;
  keepAliveMs?: number;
  startMs?: number;
  /** What an instance's first activation takes beside its execution: the model is loaded. */
  loadMs?: number;
  /** Executions and starts share so many cores. @default as many as they are */
  cores?: number;
  planMs?: number;
  /** The runtime reports each execution, and holds no request back for mates. @default false: full batches only */
  reports?: boolean;
  onOrders?: (orders: ScalingOrders, nowMs: number) => void;
}

/** An activation: when it came. */
interface Ticket {
  atMs: number;
}

interface Event {
  atMs: number;
  run: () => void;
}

interface SimulatedInstance {
  settings: InstanceSettings;
  queue: { ticket: Ticket; sinceMs: number; together: number }[];
  executing: number;
  running: number;
  answered: number;
  sinceMs: number;
  ended: boolean;
}

/** A scaler on a node with cores for everybody. */
export const SCALER_OPTIONS: ScalerOptions = {
  rate: { bucketMs: 1_000, shortMs: 3_000, longMs: 60_000, confidence: 1.64 },
  alpha: 64,
  lateMax: 0.01,
  instancesMax: 64,
  scaleInPlans: 3,
  replacePlans: 2,
  profileNoise: 1.25,
  cores: 1_000,
  groupsMax: 3,
  profile: { shapes: shapesUpTo(4, 8), shapesMax: 64, samples: 64, samplesMin: 20, drift: 0.2, forgetAfter: 1_000 },
};

/** Time between two plans, unless the options say otherwise. */
export const PLAN_MS = 3_000;
const TICK_MS = 200;
/** More than any instance of the tests holds: one that held more would be killed. */
const LIMIT_BYTES = 320 * 1024 ** 2;

export class Simulation {
  readonly latenciesMs: number[] = [];
  /** Times of starts and of ends of instances. */
  readonly startsMs: number[] = [];
  readonly endsMs: number[] = [];
  refused = 0;
  living = 0;
  livingMax = 0;
  /** Bytes of instances x ms. */
  byteMs = 0;
  usedBytesMax = 0;
  readonly pool: Pool<Ticket>;
  readonly #options: SimulationOptions;
  readonly #group: ScaledGroup;
  readonly #instances = new Map<number, SimulatedInstance>();
  /** What follows from what has happened, by time. */
  #events: Event[] = [];
  #nowMs = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const { settings, sloMs, budgetBytes = 8 * 1024 ** 3, keepAliveMs = 20_000 } = options;
    this.#group = {
      key: 'g',
      revision: 'r',
      sloMs,
      limitBytes: LIMIT_BYTES,
      first: settings,
      batchMax: 8,
      roomMax: 500,
    };
    this.pool = new Pool<Ticket>(
      {
        budgetBytes,
        waitingMax: 1e6,
        waitMaxMs: 120_000,
        patienceMs: 5_000,
        startsMax: 100,
        groupStartsMax: 2,
        pauseGraceMs: 1e9,
      },
      new FixedKeepAlive(keepAliveMs),
    );
  }

  /** Arrivals at these times, then silence until `untilMs`. */
  run(arrivalsMs: readonly number[], untilMs: number): this {
    const every = (periodMs: number, run: () => void): Event[] =>
      Array.from({ length: Math.floor(untilMs / periodMs) }, (_, at) => ({ atMs: (at + 1) * periodMs, run }));
    const fixed: Event[] = [
      ...arrivalsMs.map((atMs) => ({ atMs, run: () => this.#arrive(atMs) })),
      ...every(TICK_MS, () => this.#apply(this.pool.tick(this.#nowMs))),
      ...every(this.#options.planMs ?? PLAN_MS, () => this.#plan()),
    ].sort((one, other) => one.atMs - other.atMs);
    for (let at = 0; at < fixed.length || this.#events.length > 0;) {
      const [event] = this.#events;
      const due = fixed[at];
      const dynamic = event !== undefined && (due === undefined || event.atMs <= due.atMs);
      if (dynamic) this.#events.shift();
      else at += 1;
      const { atMs, run } = (dynamic ? event : due) as Event;
      this.#nowMs = atMs;
      run();
      this.usedBytesMax = Math.max(this.usedBytesMax, this.pool.memory.usedBytes);
    }
    return this;
  }

  /** Share of activations answered within the objective, the first `skip` answers left out. */
  attained(skip = 0): number {
    const counted = this.latenciesMs.slice(skip);
    return counted.filter((each) => each <= this.#options.sloMs).length / counted.length;
  }

  #at(atMs: number, run: () => void): void {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.atMs ?? 0) <= atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { atMs, run });
  }

  #arrive(atMs: number): void {
    const next = this.#options.scaler?.arrived(this.#group, atMs) ?? { settings: this.#options.settings };
    this.#apply(this.pool.arrived({ atMs }, this.#description(next), atMs));
  }

  #description(next: { settings: InstanceSettings; coresMax?: number }) {
    return {
      key: 'g',
      revision: 'r',
      namespace: 'n',
      ...next,
      limitBytes: LIMIT_BYTES,
      manifest: undefined,
    };
  }

  #plan(): void {
    const { scaler, onOrders } = this.#options;
    if (scaler === undefined) return;
    const living: LivingInstance[] = [...this.pool.instances()]
      .filter(({ state }) => state !== 'draining' && state !== 'ending')
      .map(({ id, settings, state }) => ({
        id,
        group: 'g',
        settings,
        ready: !['starting', 'initialising'].includes(state),
      }));
    const { budgetBytes, usedBytes } = this.pool.memory;
    const orders = scaler.plan(living, this.#nowMs, budgetBytes - usedBytes);
    onOrders?.(orders, this.#nowMs);
    this.#apply(this.pool.planned(orders, this.#nowMs));
    for (const { settings } of orders.starts) this.#apply(this.pool.add(this.#description({ settings }), this.#nowMs));
  }

  #apply(commands: readonly PoolCommand<Ticket>[]): void {
    for (const command of commands) {
      if (command.do === 'start') this.#start(command.instance, command.settings, command.ticket);
      if (command.do === 'warm-up' || command.do === 'start-beside') this.#start(command.instance, command.settings);
      if (command.do === 'run') this.#assign(command.instance, command.ticket);
      if (command.do === 'end') this.#end(command.instance);
      if (command.do === 'refuse' || command.do === 'abort') this.refused += 1;
    }
  }

  #start(id: number, settings: InstanceSettings, ticket?: Ticket): void {
    const { startMs = 800 } = this.#options;
    const sinceMs = this.#nowMs;
    const instance = { settings, queue: [], executing: 0, running: 0, answered: 0, sinceMs, ended: false };
    this.#instances.set(id, instance);
    this.startsMs.push(sinceMs);
    this.living += 1;
    this.livingMax = Math.max(this.livingMax, this.living);
    this.#at(sinceMs + startMs / 2, () => this.#apply(this.pool.created(id, this.#nowMs)));
    this.#at(sinceMs + startMs, () => {
      if (instance.ended) return;
      this.#apply(this.pool.initialised(id, this.#nowMs));
      if (ticket !== undefined) this.#assign(id, ticket);
    });
  }

  #end(id: number): void {
    const instance = this.#instances.get(id);
    if (instance === undefined || instance.ended) return;
    instance.ended = true;
    this.living -= 1;
    this.endsMs.push(this.#nowMs);
    this.byteMs += (this.#nowMs - instance.sinceMs) * this.#truth(instance.settings).privateBytes;
    this.#at(this.#nowMs + 20, () => this.#apply(this.pool.ended(id, this.#nowMs)));
  }

  #assign(id: number, ticket: Ticket): void {
    const instance = this.#instances.get(id);
    if (instance === undefined || instance.ended) throw new Error(`a ticket for instance ${id}, which has ended`);
    instance.running += 1;
    instance.queue.push({ ticket, sinceMs: this.#nowMs, together: instance.running });
    this.#execute(id, instance);
    // The wait for batch mates ends.
    this.#at(this.#nowMs + instance.settings.batchWaitMs, () => this.#execute(id, instance));
  }

  /** As the runtime does: a free worker takes a full batch, or one whose oldest has waited long enough. */
  #execute(id: number, instance: SimulatedInstance): void {
    const { batch, workers, batchWaitMs } = instance.settings;
    const [oldest] = instance.queue;
    if (oldest === undefined || instance.executing >= workers) return;
    const waits = this.#options.reports !== true && this.#nowMs < oldest.sinceMs + batchWaitMs;
    if (instance.queue.length < batch && waits) return;
    const taken = instance.queue.splice(0, batch);
    instance.executing += 1;
    const settled = instance.answered > 0;
    const { reports = false, loadMs = 0, scaler } = this.#options;
    const shape = reports ? { ...instance.settings, batch: taken.length } : instance.settings;
    const { latencyMs } = this.#truth(shape);
    const extraMs = settled || instance.executing > 1 ? 0 : loadMs;
    const tookMs = (extraMs + latencyMs * (0.85 + 0.15 * this.#options.random())) * this.#crowding();
    this.#at(this.#nowMs + tookMs, () => {
      instance.executing -= 1;
      const telling = reports && settled && Number.isInteger(Math.log2(taken.length)) && !this.#isCrowded();
      if (telling) scaler?.ran('r', shape, tookMs);
      taken.forEach((each, at) => {
        const waitedMs = this.#nowMs - tookMs - each.sinceMs;
        const execution = { requests: at === 0 ? taken.length : 0, executionMs: tookMs, waitedMs };
        this.#answer(id, instance, each, settled, reports ? execution : undefined);
      });
      this.#execute(id, instance);
    });
  }

  /** As the autoscaler sees it. */
  #isCrowded(): boolean {
    const { scaler, cores = Infinity } = this.#options;
    const living = [...this.pool.instances()];
    const busy = living.reduce((sum, { settings }) => sum + settings.workers, 0);
    const passing = living.some(({ state }) => ['starting', 'initialising', 'draining'].includes(state));
    return (passing || scaler?.replaces === true) && busy > cores;
  }

  #answer(
    id: number,
    instance: SimulatedInstance,
    { ticket, sinceMs, together }: SimulatedInstance['queue'][number],
    settled: boolean,
    execution: Execution | undefined,
  ): void {
    const { scaler } = this.#options;
    const { settings } = instance;
    instance.running -= 1;
    instance.answered += 1;
    this.latenciesMs.push(this.#nowMs - ticket.atMs);
    if (settled) scaler?.answered('g', this.#nowMs - ticket.atMs);
    if (this.#options.reports !== true && settled && together % settings.batch === 0)
      scaler?.ran('r', settings, this.#nowMs - sinceMs);
    this.#apply(this.pool.finished(id, ticket, false, this.#nowMs, execution));
    if (instance.answered > 1) return;
    const { privateBytes } = this.#truth(settings);
    scaler?.measured('r', settings, privateBytes);
    this.#apply(this.pool.measured(undefined, new Map([[id, privateBytes]]), this.#nowMs));
  }

  /** How much longer everything takes because more want a core than there are. */
  #crowding(): number {
    const { cores = Infinity } = this.#options;
    let busy = 0;
    for (const { executing, ended, answered } of this.#instances.values()) {
      if (!ended) busy += answered === 0 ? 1 : executing;
    }
    return Math.max(1, busy / cores);
  }

  #truth(settings: InstanceSettings): { latencyMs: number; privateBytes: number } {
    return this.#options.truth(shapeOf(settings), this.#nowMs);
  }
}

/** Poisson arrivals; the rate, per second, may change with time. */
export function arrivals(rateAt: (nowMs: number) => number, untilMs: number, random: () => number): number[] {
  const times: number[] = [];
  for (let nowMs = 0; nowMs < untilMs;) {
    const rate = rateAt(nowMs);
    const gapMs = rate > 0 ? (-Math.log(1 - random()) * 1000) / rate : 100;
    nowMs += Math.min(gapMs, 1000);
    if (rate > 0 && gapMs <= 1000 && nowMs < untilMs) times.push(nowMs);
  }
  return times;
}
