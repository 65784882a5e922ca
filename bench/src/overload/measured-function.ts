/** One function under every load: two platforms side by side, one that is asked in closed loops and one under load. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cleanups, privateFolder } from '../demo/cleanups';
import { rounded, sum } from '../measure/statistics';
import { buildModel } from '../models/built-model';
import { type Phase, poissonArrivals } from '../sharing/arrivals';
import { serviceOf } from '../sharing/attainment';
import { objectiveOf, SATURATING_CALLERS, singleDuration } from '../sharing/calibration';
import { configurationOf, SATURATED } from '../sharing/configurations';
import { LoadedPlatform } from '../sharing/loaded-platform';
import type { Load as Answered } from '../sharing/callers';
import type { Outcome } from '../sharing/open-loop';
import type { LoadedFunction } from '../sharing/settings';
import { burstsWithin, busyShare } from './bursts';
import { type Capacity, meanOf, measureCapacity, measureClosedLoops, overTime } from './capacity';
import { Neighbour } from './neighbour';
import { recoverySeconds } from './recovery';
import { ProcessorShares } from './processor-shares';
import type { ClosedPoint, OpenPointKey, PointFigures } from './report';
import { OVERLOAD, type OpenLoad, type OverloadSettings } from './settings';

/** More than the platform keeps waiting: what it refuses counts, not what was never sent. */
const IN_FLIGHT_MAX = 20_000;
/** Longest wait for the answers to what an overload has left, ms. */
const GRACE_MS = 45_000;
const SEED = 20_221;

export class MeasuredFunction {
  readonly #loaded: LoadedFunction;
  readonly #settings: OverloadSettings;
  readonly #closed: LoadedPlatform;
  readonly #open: LoadedPlatform;
  readonly #neighbour: Neighbour;
  readonly #references: number[][];
  readonly #sloMs: number;
  #learned = false;

  private constructor(
    loaded: LoadedFunction,
    settings: OverloadSettings,
    parts: {
      closed: LoadedPlatform;
      open: LoadedPlatform;
      neighbour: Neighbour;
      references: number[][];
      sloMs: number;
    },
  ) {
    this.#loaded = loaded;
    this.#settings = settings;
    this.#closed = parts.closed;
    this.#open = parts.open;
    this.#neighbour = parts.neighbour;
    this.#references = parts.references;
    this.#sloMs = parts.sloMs;
  }

  static async start(
    loaded: LoadedFunction,
    settings: OverloadSettings,
    cleanups: Cleanups,
  ): Promise<MeasuredFunction> {
    const modelRoot = await privateFolder(tmpdir(), cleanups);
    await buildModel(loaded.definition, modelRoot);
    const platform = async (
      annotations: Readonly<Record<string, unknown>>,
      variables: Readonly<Record<string, string>>,
    ): Promise<LoadedPlatform> => {
      const storePath = join(await privateFolder('/dev/shm', cleanups), 's');
      return LoadedPlatform.start({ loaded, modelRoot, storePath, annotations, settings: variables, cleanups });
    };
    const closed = await platform(SATURATED.annotations(0), SATURATED.settings);
    const references = await closed.references();
    const sloMs = objectiveOf(await singleDuration(closed));
    // The first batches are checked request by request: they tell nothing of what the node can do.
    await closed.callers.closedLoop(SATURATING_CALLERS, settings.calibrationMs);
    const open = await platform(sharingAnnotations(sloMs), sharingSettings);
    const neighbour = Neighbour.start();
    cleanups.add(() => neighbour.stop());
    return new MeasuredFunction(loaded, settings, { closed, open, neighbour, references, sloMs });
  }

  /** One point: capacity, the load, capacity again. */
  async measure({ load, neighbour }: Pick<OpenPointKey, 'load' | 'neighbour'>): Promise<PointFigures> {
    const before = await this.#capacity(neighbour);
    const warmUpMs = this.#learned ? this.#settings.warmUpMs : this.#settings.learningMs;
    this.#learned = true;
    const phases = phasesOf(load, this.#settings);
    const measuredMs = sum(phases.map(({ durationMs }) => durationMs));
    const bursts = neighbour ? burstsWithin(warmUpMs + measuredMs, SEED) : [];
    const share = busyShare(bursts, warmUpMs, warmUpMs + measuredMs);
    const capacityOf = (measured: Capacity): number =>
      overTime(measured, Number(load) < OVERLOAD ? Number(neighbour) : share);
    const offered = capacityOf(before);
    const warmUp = { durationMs: warmUpMs, load: Math.min(1, phases[0]?.load ?? 1) };
    const rates = [warmUp, ...phases].map(({ durationMs, load: times }) => ({ durationMs, rate: times * offered }));
    const { outcomes, refused, processors } = await this.#load(rates, bursts);
    const after = await this.#capacity(neighbour);

    const window = { fromMs: warmUpMs, toMs: warmUpMs + measuredMs };
    const service = serviceOf(outcomes, window, this.#sloMs);
    const around = meanOf(before, after);
    const capacity = capacityOf(around);
    const rate = (1000 * service.requests) / measuredMs;
    const goodput = service.sloAttainment * rate;
    const most = { quiet: Math.min(rate, around.quiet), beside: Math.min(rate, around.beside) };
    return {
      function: this.#loaded.definition.name,
      load,
      neighbour,
      sloMs: this.#sloMs,
      capacityBefore: before,
      capacityAfter: after,
      capacity: rounded(capacity, 1),
      rate: rounded(rate, 1),
      goodput: rounded(goodput, 1),
      goodputRatio: rounded(goodput / capacity),
      possibleRatio: rounded(overTime(most, share) / capacity),
      requests: service.requests,
      sloAttainment: service.sloAttainment,
      errors: service.errors,
      refused,
      processors,
      latencyMs: service.latencyMs,
      ...(load === 'recovery' && { recoverySeconds: this.#recovery(outcomes, window.toMs) }),
    };
  }

  /** How many answers there are in closed loops, and within the objective. */
  async closedLoops(neighbour: boolean): Promise<ClosedPoint> {
    const bounds = { forMs: this.#settings.calibrationMs, withinMs: this.#sloMs };
    const loops = await measureClosedLoops(this.#closed, this.#beside(neighbour), bounds);
    return { function: this.#loaded.definition.name, load: 'closed', neighbour, sloMs: this.#sloMs, loops };
  }

  #capacity(neighbour: boolean): Promise<Capacity> {
    return measureCapacity(this.#closed, this.#beside(neighbour), this.#settings.calibrationMs);
  }

  #beside(neighbour: boolean): Neighbour | undefined {
    return neighbour ? this.#neighbour : undefined;
  }

  /** Resolves when everything has been answered: the next closed loop has the node to itself. */
  async #load(
    phases: readonly Phase[],
    bursts: ReturnType<typeof burstsWithin>,
  ): Promise<Answered & Pick<PointFigures, 'processors'>> {
    const over = new AbortController();
    const playing = this.#neighbour.play(bursts, over.signal);
    const shares = await ProcessorShares.start(this.#open);
    try {
      const answered = await this.#open.callers.openLoop({
        times: poissonArrivals(phases, SEED),
        references: this.#references,
        inFlightMax: IN_FLIGHT_MAX,
        graceMs: GRACE_MS,
      });
      return { ...answered, processors: await shares.until(answered.cpuMs) };
    } finally {
      over.abort();
      await playing;
    }
  }

  #recovery(outcomes: readonly Outcome[], toMs: number): number | null {
    const { afterMs, windowMs } = this.#settings.burst;
    const seconds = recoverySeconds(outcomes, { fromMs: toMs - afterMs, toMs, windowMs }, this.#sloMs);
    return Number.isFinite(seconds) ? seconds : null;
  }
}

const { annotations: sharingAnnotations, settings: sharingSettings } = configurationOf('sharing');

/** Loads over capacity that count. */
function phasesOf(
  load: OpenLoad,
  { measuredMs, burst: settings }: OverloadSettings,
): { durationMs: number; load: number }[] {
  if (load !== 'recovery') return [{ durationMs: measuredMs, load }];
  const { load: quiet, burst, beforeMs, burstMs, afterMs } = settings;
  return [
    { durationMs: beforeMs, load: quiet },
    { durationMs: burstMs, load: burst },
    { durationMs: afterMs, load: quiet },
  ];
}
