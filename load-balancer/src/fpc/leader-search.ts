/** Where the queue of an action is when it is no longer where it was. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pauseMs } from '@tetris/common';
import type { SchedulerAddress } from './schedulers';

export interface LeaderSearchParts {
  /** Where the queue is now; undefined: nowhere. Rejects where that cannot be known. */
  leader: () => Promise<SchedulerAddress | undefined>;
  /** ms */
  now: () => number;
}

/** Why a search is over without a scheduler. */
export type NotFound = 'no queue' | 'nobody answers';

/** Stock asks again without a pause. */
const BACKOFF = { firstMs: 50, maxMs: 2_000 };
/** Looks that find no leader, after which there is none. */
const ABSENCES_MAX = 2;

export class LeaderSearch {
  readonly #parts: LeaderSearchParts;
  readonly #lostMs: number;
  /** Since the last answer, over all searches: a scheduler that is found may not answer either. */
  #failures = 0;
  #lastAnswerMs: number;

  /** @param lostMs after so long without an answer of any scheduler the search is over */
  constructor(parts: LeaderSearchParts, lostMs: number) {
    this.#parts = parts;
    this.#lostMs = lostMs;
    this.#lastAnswerMs = parts.now();
  }

  /** A scheduler is there. */
  answered(): void {
    this.#failures = 0;
    this.#lastAnswerMs = this.#parts.now();
  }

  /** Asks with growing pauses. @returns undefined where it was aborted */
  async find(signal: AbortSignal): Promise<SchedulerAddress | NotFound | undefined> {
    for (let absences = 0; absences < ABSENCES_MAX;) {
      this.#failures += 1;
      await sleep(pauseMs(BACKOFF, this.#failures), undefined, { signal }).catch(() => undefined);
      const found = signal.aborted ? undefined : await this.#parts.leader().catch(() => 'unknown' as const);
      if (signal.aborted) return undefined;
      if (this.#parts.now() - this.#lastAnswerMs > this.#lostMs) return 'nobody answers';
      if (found === undefined) absences += 1;
      else if (found !== 'unknown') return found;
    }
    return 'no queue';
  }
}
