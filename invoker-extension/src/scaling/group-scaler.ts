/**
 * How many instances of which shapes one group needs. Pure, epoch ms passed in.
 *
 * Scale out: what the rate asks for beyond what living instances serve is planned at once. Scale in: what was too much
 * in every one of the last plans is ended, the least efficient first; the last instance is left to the keep-alive
 * policy. Instances are started for what was asked for just now or is foreseen, never for the memory of a rate, and the
 * first one by demand or a forecast alone.
 */
import { ArrivalForecast, type ForecastOptions } from './forecast';
import type { LearnedRow } from './online-profile';
import { planInstances } from './plan';
import { efficiency, meetsSlo, sameShape, serviceRate } from './profile';
import { RateEstimator, type RateOptions } from './rate';
import { type InstanceSettings, settingsOfRow, type ShapeBounds, shapeOf } from './settings';

/** What is planned for: activations of one action revision and one invoking namespace, with an objective. */
export interface ScaledGroup extends ShapeBounds {
  key: string;
  /** Under which its profile is known. */
  revision: string;
  sloMs: number;
  /** What its instances start with while nothing is known. */
  first: InstanceSettings;
}

export interface GroupScalerOptions {
  rate: RateOptions;
  /** Undefined: nothing is started ahead of demand. */
  forecast?: ForecastOptions | undefined;
  /** MB that one core is worth. */
  alpha: number;
  /** Share of its rate that an instance is planned to serve; beyond it a queue forms now and then. */
  utilisation: number;
  /** Instances of one group. */
  instancesMax: number;
  /** Plans in which an instance has to be too much before it ends. */
  scaleInPlans: number;
}

/** An instance that takes activations, or soon will. */
export interface LivingInstance {
  id: number;
  group: string;
  settings: InstanceSettings;
}

export interface GroupPlan {
  starts: LearnedRow[];
  ends: number[];
  /** What the next instance is to be that demand starts. */
  next: InstanceSettings;
  /** No cores are left for it. */
  held: boolean;
  /** Cores that the group keeps busy, its starts included. */
  cores: number;
}

/** A forecast of less than this many arrivals in a sample is none. */
const FORECAST_MIN = 0.5;

/** Samples looked ahead: an instance takes time to start. */
const FORECAST_SAMPLES = 2;

/** After a start ahead of demand has failed, demand alone starts instances so long, ms. */
const BACKOFF_MS = 30_000;

/** Factors on the planned rate: for each plan that fell short, for each that did not, and at most. */
const HEADROOM = { rise: 1.2, fall: 0.995, max: 3 };

/** Factor by which a shape must do more with a core to take over from others. */
const BETTER = 1.25;

/** So slow a rate that one instance of any shape serves it; requests per second. */
const RATE_MIN = 1e-6;

export class GroupScaler {
  group: ScaledGroup;
  next: InstanceSettings;
  held = false;
  readonly #options: GroupScalerOptions;
  readonly #rate: RateEstimator;
  readonly #forecast: ArrivalForecast | undefined;
  #foreseen = { sample: -1, rate: 0 };
  /** Rates that were too much in the last plans, while no instance was added. */
  #surplus: number[] = [];
  #living = 0;
  #headroom = 1;
  /** What the last plan left: instances, and the rate that they were to serve. */
  #planned = { instances: 0, rate: 0 };
  #backoffUntilMs = 0;

  constructor(group: ScaledGroup, options: GroupScalerOptions, nowMs: number) {
    this.group = group;
    this.next = group.first;
    this.#options = options;
    this.#rate = new RateEstimator(options.rate, nowMs);
    this.#forecast = options.forecast === undefined ? undefined : new ArrivalForecast(options.forecast, nowMs);
  }

  arrived(nowMs: number): void {
    this.#rate.arrived(nowMs);
    this.#forecast?.arrived(nowMs);
  }

  /** A start ahead of demand has failed. */
  failed(nowMs: number): void {
    this.#backoffUntilMs = nowMs + BACKOFF_MS;
  }

  /** @param rows the revision's profile @param coresFree cores that no other group keeps busy */
  plan(living: readonly LivingInstance[], rows: readonly LearnedRow[], coresFree: number, nowMs: number): GroupPlan {
    const { sloMs, batchMax, roomMax, first } = this.group;
    const allowed = rows.filter(({ batch, concurrency }) => batch <= batchMax && batch * concurrency <= roomMax);
    const within = allowed.filter((row) => meetsSlo(row, sloMs));
    const usable = within.length > 0 ? within : fastest(allowed);
    const served = living.map((instance) => ({ ...instance, row: rowIn(usable, instance.settings) }));
    const rate = served.reduce((sum, { row }) => sum + (row === undefined ? 0 : serviceRate(row)), 0);
    const foreseen = this.#foreseenRate(nowMs);
    const factor = this.#factor(this.#rate.estimate(nowMs), living.length);
    const lasting = Math.max(this.#rate.estimate(nowMs), foreseen) * factor;
    const wanted = Math.max(this.#rate.recent(nowMs), foreseen) * factor;
    const busyCores = Math.min(1, rate > 0 ? lasting / rate : 1) * coresOf(living);

    const grows = within.length > 0 && nowMs >= this.#backoffUntilMs && (living.length > 0 || foreseen > 0);
    const coresLeft = coresFree - busyCores;
    const starts = grows && wanted > rate ? this.#starts(within, { wanted, rate, coresLeft, living }) : [];
    const cores = busyCores + starts.reduce((sum, row) => sum + row.cpu, 0);
    const startable = usable.filter(({ cpu }) => cpu <= coresFree - cores);
    const missing = Math.max(wanted - rate, RATE_MIN);
    this.next = this.#nextOf(startable, missing) ?? this.#nextOf(usable, missing) ?? first;
    this.held = cores + shapeOf(this.next).cpu > coresFree;
    const ends = this.#ends(served, rate - lasting, starts.length > 0);
    this.#planned = { instances: living.length + starts.length - ends.length, rate: Math.max(rate, lasting) };
    return {
      starts,
      ends,
      next: this.next,
      held: this.held,
      cores,
    };
  }

  /**
   * Rate to plan for, per rate that comes. Where demand has started instances although the plan served the rate, requests come or run
   * more unevenly than the utilisation allows for: the group gets headroom, and loses it slowly. Without it such
   * instances would be surplus, end, and be started again.
   */
  #factor(rate: number, living: number): number {
    const { utilisation } = this.#options;
    const wasShort = living > this.#planned.instances && rate / utilisation <= this.#planned.rate;
    this.#headroom = wasShort
      ? Math.min(HEADROOM.max, this.#headroom * HEADROOM.rise)
      : Math.max(1, this.#headroom * HEADROOM.fall);
    return this.#headroom / utilisation;
  }

  /**
   * What closes the gap within the cores that are left. Where none are, one instance that does clearly more with a core
   * than the living ones: it takes over from them, and they become surplus.
   */
  #starts(
    within: readonly LearnedRow[],
    now: { wanted: number; rate: number; coresLeft: number; living: readonly LivingInstance[] },
  ): LearnedRow[] {
    const { alpha, instancesMax } = this.#options;
    const { sloMs } = this.group;
    const room = instancesMax - now.living.length;
    const fitting = within.filter(({ cpu }) => cpu <= now.coresLeft);
    if (fitting.length === 0) {
      const perCore = now.rate / Math.max(1, coresOf(now.living));
      const better = within.filter((row) => serviceRate(row) / row.cpu > BETTER * perCore);
      const plan = planInstances(better, { rate: now.wanted, sloMs, alpha, instancesMax: Math.min(1, room) });
      return plan.instances.map(({ row }) => row);
    }
    let left = now.coresLeft;
    const plan = planInstances(fitting, { rate: now.wanted - now.rate, sloMs, alpha, instancesMax: room });
    return plan.instances
      .flatMap(({ row, count }) => Array.from({ length: count }, () => row))
      .filter(({ cpu }) => (left -= cpu) >= 0);
  }

  #nextOf(usable: readonly LearnedRow[], rate: number): InstanceSettings | undefined {
    const { sloMs } = this.group;
    const { alpha } = this.#options;
    const row = planInstances(usable, { rate, sloMs, alpha, instancesMax: 1 }).instances[0]?.row ?? usable[0];
    return row === undefined ? undefined : settingsOfRow(row, sloMs);
  }

  #ends(
    served: readonly (LivingInstance & { row: LearnedRow | undefined })[],
    surplus: number,
    grows: boolean,
  ): number[] {
    const { alpha, scaleInPlans } = this.#options;
    // What is new has not had its time, whoever started it.
    const added = grows || served.length > this.#living;
    this.#living = served.length;
    this.#surplus = added ? [] : [...this.#surplus, surplus].slice(-scaleInPlans);
    if (this.#surplus.length < scaleInPlans) return [];
    let left = Math.min(...this.#surplus);
    const worst = served
      .map(({ id, row }) => ({
        id,
        rate: row === undefined ? 0 : serviceRate(row),
        worth: row === undefined ? 0 : efficiency(row, alpha),
      }))
      .sort((one, other) => one.worth - other.worth);
    const ends: number[] = [];
    for (const { id, rate } of worst) {
      if (rate > left || ends.length === served.length - 1) continue;
      left -= rate;
      ends.push(id);
    }
    if (ends.length > 0) this.#surplus = [];
    return ends;
  }

  /** Requests per second that the forecast sees coming; asked once a sample, because it is not cheap. */
  #foreseenRate(nowMs: number): number {
    const sampleMs = this.#options.forecast?.sampleMs;
    if (this.#forecast === undefined || sampleMs === undefined) return 0;
    const sample = Math.floor(nowMs / sampleMs);
    if (sample === this.#foreseen.sample) return this.#foreseen.rate;
    const expected = Array.from({ length: FORECAST_SAMPLES }, (_, at) => this.#forecast?.expected(at + 1, nowMs) ?? 0);
    const most = Math.max(...expected);
    this.#foreseen = { sample, rate: most < FORECAST_MIN ? 0 : (most * 1000) / sampleMs };
    return this.#foreseen.rate;
  }
}

/** Where no shape meets the objective, the one that comes closest serves. */
function fastest(rows: readonly LearnedRow[]): LearnedRow[] {
  return [...rows].sort((one, other) => one.latencyMs - other.latencyMs).slice(0, 1);
}

const rowIn = (rows: readonly LearnedRow[], settings: InstanceSettings): LearnedRow | undefined =>
  rows.find((row) => sameShape(row, shapeOf(settings)));

const coresOf = (living: readonly LivingInstance[]): number =>
  living.reduce((sum, { settings }) => sum + shapeOf(settings).cpu, 0);
