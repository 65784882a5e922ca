import { movingMean } from '@tetris/common/clock';

/** Departures after which a pace is believed. */
const DEPARTURES_MIN = 10;
/** Share of the newest gap in the mean. */
const NEWEST = 0.1;

/** How fast a queue that is never empty moves on. Pure. */
export class Pace {
  #sinceMs: number;
  #gapMs: number | undefined;
  #departures = 0;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  left(count: number, nowMs: number): void {
    if (count === 0) return;
    const gapMs = (nowMs - this.#sinceMs) / count;
    const weight = 1 - (1 - NEWEST) ** count;
    this.#gapMs = movingMean(this.#gapMs, gapMs, weight);
    this.#sinceMs = nowMs;
    this.#departures += count;
  }

  /** Until the `place`-th from the front has left, ms; 0 while nothing is known. */
  expectedMs(place: number): number {
    return this.#gapMs === undefined || this.#departures < DEPARTURES_MIN ? 0 : place * this.#gapMs;
  }
}
