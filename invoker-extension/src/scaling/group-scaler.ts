/**
 * How many instances of which shapes one group needs. Pure, epoch ms passed in.
 *
 * Scale out: what the rate asks for beyond what living instances serve is planned at once. Where cores or memory do not
 * allow it and requests are late, the whole rate is planned anew within them, and that mix replaces the living
 * instances one by one. Requests that are answered in time are reason enough to leave instances alone, whatever the
 * figures say: those of unlike shapes were learned under unlike load, and a replacement takes cores from those that
 * serve. Scale in: what was too much in every one of the last plans is ended, the least efficient first; the last
 * instance is left to the keep-alive policy. Instances are started for what was asked for just now or is foreseen,
 * never for the memory of a rate, and the first one by demand or a forecast alone.
 */
import { TAIL } from '@tetris/common/clock';
import { ArrivalForecast, type ForecastOptions } from './forecast';
import { bestMix } from './mix';
import type { LearnedRow } from './online-profile';
import { planInstances } from './plan';
import { cost, efficiency, meetsSlo, sameShape, serviceRate } from './profile';
import { RateEstimator, type RateOptions } from './rate';
import { coresOf, covers, replace, type Replacement, type ServedInstance } from './replacement';
import { type InstanceSettings, settingsOfRow, type ShapeBounds, shapeOf } from './settings';
import { Tardiness } from './tardiness';
import { capacityFor } from './waiting-bound';

/** What is planned for: activations of one action revision and one invoking namespace, with an objective. */
export interface ScaledGroup extends ShapeBounds {
  key: string;
  /** Under which its profile is known. */
  revision: string;
  sloMs: number;
  /** The action's memory limit: an instance that holds more is killed. */
  limitBytes: number;
  /** What its instances start with while nothing is known. */
  first: InstanceSettings;
}

export interface GroupScalerOptions {
  rate: RateOptions;
  /** Undefined: nothing is started ahead of demand. */
  forecast?: ForecastOptions | undefined;
  /** MB that one core is worth. */
  alpha: number;
  /** Share of the requests that may wait for longer than they can afford. */
  lateMax: number;
  /** Instances of one group. */
  instancesMax: number;
  /** Plans in which an instance has to be too much before it ends. */
  scaleInPlans: number;
  /** Plans in a row in which something is short before living instances are replaced: a start of others looks like it. */
  replacePlans: number;
  /**
   * Factor below which figures do not differ: what serves no more than so much better replaces nothing, a living
   * instance serves on while its tail exceeds its limit by no more, and a shape of as many cores may cost so much more
   * for serving more, as the rate may go on rising.
   */
  profileNoise: number;
  /** After a start ahead of demand has failed, demand alone starts instances so long, ms. */
  backoffMs: number;
}

/** An instance that takes activations, or soon will. */
export interface LivingInstance {
  id: number;
  group: string;
  settings: InstanceSettings;
  /** False while it starts. */
  ready: boolean;
}

/** What a group may use. */
export interface FreeResources {
  /** Cores that no other group keeps busy. */
  cores: number;
  /** Memory that nobody has. */
  bytes: number;
}

export interface GroupPlan {
  starts: LearnedRow[];
  ends: number[];
  /** What the next instance is to be that demand starts. */
  next: InstanceSettings;
  /** So many cores the group's instances may have together where demand starts them. */
  coresMax: number;
  /** Living instances are being replaced by others. */
  replaces: boolean;
  /** Cores that the group keeps busy, its starts included. */
  cores: number;
}

/** So slow a rate that one instance of any shape serves it; requests per second. */
const RATE_MIN = 1e-6;

export class GroupScaler {
  group: ScaledGroup;
  next: InstanceSettings;
  coresMax: number;
  readonly #options: GroupScalerOptions;
  readonly #rate: RateEstimator;
  readonly #forecast: ArrivalForecast | undefined;
  #foreseen = { sample: -1, rate: 0 };
  readonly #tardiness: Tardiness;
  /** Rates of the last plans in which no instance was added. */
  #rates: number[] = [];
  #living = 0;
  /** Plans in a row that could not add all that was missing. */
  #shortPlans = 0;
  /** The mix that replaces what lives. */
  #aim: LearnedRow[] = [];
  #backoffUntilMs = 0;

  /** @param coresMax cores of which instances may start before the first plan */
  constructor(group: ScaledGroup, options: GroupScalerOptions, coresMax: number, nowMs: number) {
    this.group = group;
    this.next = group.first;
    this.coresMax = coresMax;
    this.#options = options;
    this.#tardiness = new Tardiness(options);
    this.#rate = new RateEstimator(options.rate, nowMs);
    this.#forecast = options.forecast === undefined ? undefined : new ArrivalForecast(options.forecast, nowMs);
  }

  arrived(nowMs: number): void {
    this.#rate.arrived(nowMs);
    this.#forecast?.arrived(nowMs);
  }

  /** An activation was answered by an instance at work. @param tookMs since it came */
  answered(tookMs: number): void {
    this.#tardiness.answered(tookMs > this.group.sloMs);
  }

  /** A start ahead of demand has failed. */
  failed(nowMs: number): void {
    this.#backoffUntilMs = nowMs + this.#options.backoffMs;
  }

  /** @param rows the revision's profile */
  plan(living: readonly LivingInstance[], rows: readonly LearnedRow[], free: FreeResources, nowMs: number): GroupPlan {
    const { profileNoise } = this.#options;
    const { sloMs, batchMax, roomMax, limitBytes, first } = this.group;
    const allowed = rows.filter(
      ({ batch, concurrency, privateBytes }) =>
        batch <= batchMax && batch * concurrency <= roomMax && privateBytes <= limitBytes,
    );
    const within = allowed.filter((row) => meetsSlo(row, sloMs));
    const usable = within.length > 0 ? within : fastest(allowed);
    const kept = within.length > 0 ? allowed.filter((row) => meetsSlo(row, profileNoise * sloMs)) : usable;
    const served = living.map((instance) => ({ ...instance, row: rowIn(kept, instance.settings) }));
    const rate = capacity(served, free.cores);
    const foreseen = this.#foreseenRate(nowMs);
    this.#tardiness.planned();
    const asked = Math.max(this.#rate.recent(nowMs), foreseen);
    const lasting = this.#capacityFor(Math.max(this.#rate.estimate(nowMs), foreseen), served, usable);
    const wanted = this.#capacityFor(asked, served, usable);
    const busyCores = Math.min(1, rate > 0 ? lasting / rate : 1) * coresOf(living);

    const grows = within.length > 0 && nowMs >= this.#backoffUntilMs && (living.length > 0 || foreseen > 0);
    const { starts, ends, missing } = grows
      ? this.#change(served, within, { ...free, rate, asked, wanted, busyCores })
      : NOTHING;
    const cores = busyCores + starts.reduce((sum, row) => sum + row.cpu, 0);
    const startable = usable.filter(({ cpu }) => cpu <= free.cores - cores);
    const gap = Math.max(wanted - rate, RATE_MIN);
    const replacing = missing[0] === undefined ? undefined : settingsOfRow(missing[0], sloMs, roomMax, first.padding);
    this.next = replacing ?? this.#nextOf(startable, gap) ?? this.#nextOf(usable, gap) ?? first;
    this.coresMax = free.cores;
    // What is new has not had its time, whoever started it.
    const added = starts.length > 0 || this.#aim.length > 0 || living.length > this.#living;
    this.#living = living.length;
    const surplus = this.#surplus(served, lasting, free.cores, added);
    return {
      starts,
      ends: [...ends, ...surplus],
      next: this.next,
      coresMax: this.coresMax,
      replaces: this.#aim.length > 0,
      cores,
    };
  }

  /**
   * What must be served for few to wait for longer than they can afford, by the instance that leaves least for it: one
   * that joins requests may leave less than a slower one that does not. Another instance never lowers it.
   */
  #capacityFor(rate: number, served: readonly ServedInstance[], usable: readonly LearnedRow[]): number {
    const spareOf = ({ latencyMs, meanMs = latencyMs, batch }: LearnedRow): number =>
      this.group.sloMs - latencyMs - (batch > 1 ? meanMs : 0);
    const living = served.flatMap(({ row }) => row ?? []);
    const [first, ...others] = living.length > 0 ? living : usable.slice(0, 1);
    if (first === undefined) return rate;
    const tightest = others.reduce((least, row) => (spareOf(row) < spareOf(least) ? row : least), first);
    const { latencyMs, meanMs = latencyMs } = tightest;
    return capacityFor(rate, {
      spareMs: spareOf(tightest),
      arrivals: this.#rate.variability,
      // The tail of a normal distribution is so many deviations above its mean.
      executions: ((latencyMs - meanMs) / TAIL.deviations / meanMs) ** 2,
      lateMax: this.#options.lateMax,
    });
  }

  /** What to add; where cores or memory are short, what to put in the place of what. */
  #change(
    served: readonly ServedInstance[],
    within: readonly LearnedRow[],
    now: FreeResources & { rate: number; asked: number; wanted: number; busyCores: number },
  ): Replacement {
    const short = now.wanted > now.rate;
    const crowded = coresOf(served) > now.cores;
    if (!short && !crowded) this.#aim = [];
    const added = short ? this.#added(within, served.length, now) : { starts: [], covers: true };
    // More instances than there are cores are no state to stay in.
    const reachable = crowded ? 0 : now.rate + rateOf(added.starts);
    this.#shortPlans = short && !added.covers ? this.#shortPlans + 1 : 0;
    // Where something is to start anyway it is to be the right thing.
    const lasts = this.#shortPlans >= this.#options.replacePlans || (this.#shortPlans > 0 && added.starts.length > 0);
    if (lasts && (crowded || this.#tardiness.isLate)) this.#takeAim(served, within, reachable, now);
    else if (short && added.covers) this.#aim = [];
    if (this.#aim.length === 0) return { ...NOTHING, starts: added.starts };
    const replacement = replace(served, this.#aim, now);
    const done = replacement.missing.length === 0 && served.length - replacement.ends.length <= this.#aim.length;
    if (done) this.#aim = [];
    return replacement;
  }

  /** What closes the gap within the cores and the memory that are left, as far as that goes. */
  #added(
    within: readonly LearnedRow[],
    living: number,
    now: FreeResources & { rate: number; wanted: number; busyCores: number },
  ): { starts: LearnedRow[]; covers: boolean } {
    const { alpha, instancesMax } = this.#options;
    let [cores, bytes] = [now.cores - now.busyCores, now.bytes];
    const fitting = within.filter(({ cpu, privateBytes }) => cpu <= cores && privateBytes <= bytes);
    const plan = planInstances(fitting, {
      rate: now.wanted - now.rate,
      sloMs: this.group.sloMs,
      alpha,
      instancesMax: instancesMax - living,
    });
    const planned = plan.instances.flatMap(({ row, count }) =>
      Array.from({ length: count }, () => this.#roomier(row, fitting)),
    );
    const starts = planned.filter((row) => {
      if (row.cpu > cores || row.privateBytes > bytes) return false;
      cores -= row.cpu;
      bytes -= row.privateBytes;
      return true;
    });
    return { starts, covers: plan.covers && starts.length === planned.length };
  }

  /** The shape of as many cores that serves most for hardly more. */
  #roomier(row: LearnedRow, rows: readonly LearnedRow[]): LearnedRow {
    const { alpha, profileNoise } = this.#options;
    return rows
      .filter((other) => other.cpu === row.cpu && cost(other, alpha) <= profileNoise * cost(row, alpha))
      .reduce((best, other) => (serviceRate(other) > serviceRate(best) ? other : best), row);
  }

  /** Plans the whole rate within the limits, and keeps to a mix until another is clearly better. */
  #takeAim(
    served: readonly ServedInstance[],
    within: readonly LearnedRow[],
    reachable: number,
    { asked, wanted, cores, bytes }: FreeResources & { asked: number; wanted: number },
  ): void {
    const { alpha, instancesMax, profileNoise } = this.#options;
    const own = served.reduce((sum, { row }) => sum + (row?.privateBytes ?? 0), 0);
    const options = { rate: wanted, sloMs: this.group.sloMs, alpha, instancesMax, cores, bytes: bytes + own };
    const best = bestMix(within, options);
    const aimed = this.#aim.flatMap((row) => within.find((other) => sameShape(other, row)) ?? []);
    const before = Math.max(reachable, rateOf(aimed));
    // Below what is asked for, not below what few waits would take: to start and end instances costs more than that.
    if (before < asked && (best.rate >= wanted || best.rate > profileNoise * before)) {
      const roomier = best.rows.map((row) => this.#roomier(row, within));
      const need = roomier.reduce((sum, { privateBytes }) => sum + privateBytes, 0);
      this.#aim = need <= options.bytes ? roomier : best.rows;
    } else this.#aim = rateOf(aimed) > reachable ? aimed : [];
  }

  #nextOf(usable: readonly LearnedRow[], rate: number): InstanceSettings | undefined {
    const { sloMs, roomMax, first } = this.group;
    const { alpha } = this.#options;
    const row = planInstances(usable, { rate, sloMs, alpha, instancesMax: 1 }).instances[0]?.row ?? usable[0];
    return row === undefined ? undefined : settingsOfRow(this.#roomier(row, usable), sloMs, roomMax, first.padding);
  }

  /** Instances without which the others serve the highest rate of the last plans. */
  #surplus(served: readonly ServedInstance[], rate: number, cores: number, added: boolean): number[] {
    const { alpha, scaleInPlans } = this.#options;
    this.#rates = added ? [] : [...this.#rates, rate].slice(-scaleInPlans);
    if (this.#rates.length < scaleInPlans) return [];
    const highest = Math.max(...this.#rates);
    const worth = ({ row }: ServedInstance): number => (row === undefined ? 0 : efficiency(row, alpha));
    let kept = [...served].sort((one, other) => worth(one) - worth(other));
    const ends: number[] = [];
    for (const instance of kept) {
      const others = kept.filter((other) => other !== instance);
      if (others.length === 0 || capacity(others, cores) < highest) continue;
      kept = others;
      ends.push(instance.id);
    }
    if (ends.length > 0) this.#rates = [];
    return ends;
  }

  /** Requests per second that the forecast sees coming; asked once a sample, because it is not cheap. */
  #foreseenRate(nowMs: number): number {
    const sampleMs = this.#options.forecast?.sampleMs;
    if (this.#forecast === undefined || sampleMs === undefined) return 0;
    const sample = Math.floor(nowMs / sampleMs);
    if (sample !== this.#foreseen.sample) this.#foreseen = { sample, rate: this.#forecast.rate(nowMs) };
    return this.#foreseen.rate;
  }
}

/** Where no shape meets the objective, the one that comes closest serves. */
function fastest(rows: readonly LearnedRow[]): LearnedRow[] {
  return [...rows].sort((one, other) => one.latencyMs - other.latencyMs).slice(0, 1);
}

/**
 * What an instance serves as: its own row, or that of the largest smaller batch. The runtime joins no more requests
 * than are answered in time, so that a batch too large for the objective does no harm.
 */
function rowIn(rows: readonly LearnedRow[], settings: InstanceSettings): LearnedRow | undefined {
  return rows
    .filter((row) => covers(shapeOf(settings), row))
    .reduce<LearnedRow | undefined>(
      (best, row) => (best === undefined || row.batch > best.batch ? row : best),
      undefined,
    );
}

const rateOf = (rows: readonly LearnedRow[]): number => rows.reduce((sum, row) => sum + serviceRate(row), 0);

/** What instances serve; more of them than there are cores slow each other down. */
function capacity(served: readonly ServedInstance[], cores: number): number {
  const nominal = rateOf(served.flatMap(({ row }) => row ?? []));
  return nominal * Math.min(1, Math.max(0, cores) / Math.max(1, coresOf(served)));
}

const NOTHING: Replacement = { starts: [], ends: [], missing: [] };
