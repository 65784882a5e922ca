/**
 * Brings the activations of one action out of its scheduler's queue, as one container to the scheduler whatever many
 * pulls it has.
 *
 *     pulling ──no queue, or an error──> searching ──leader found, or ordered anew──> pulling
 *        │                                   │
 *        └──idle, or another revision──┐     └──no leader twice, or nobody answers for too long──┐
 *                                      └──> stopped <──stop────────────────────────────────────┘
 *
 * It pulls eagerly: what waits at a scheduler for more than 100 ms makes it order containers until the namespace is
 * throttled, so activations wait here. On a hit the pulls double, on an empty answer they are halved.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, type Logger, pauseMs } from '@tetris/common';
import type { PulledAction } from './etcd-keys';
import type { Pulled, SchedulerAddress, Schedulers } from './schedulers';

export interface PullRules {
  /** Pulls at once. */
  pullsMax: number;
  /** Pulled and neither handed on nor answered; beyond it the rest waits at the scheduler. */
  pulledMax: number;
  /** Without an activation for so long it gives up, ms. */
  idleMs: number;
  /** With no scheduler that answers for so long it gives up, ms. */
  lostMs: number;
}

export interface PullParts {
  schedulers: Schedulers;
  /** Where the queue is now; undefined: nowhere. */
  leader: (action: PulledAction) => Promise<SchedulerAddress | undefined>;
  /** Resolves when the activation has been handed on or answered. */
  accept: (value: Buffer) => Promise<void>;
  /** Is there room for more, of whichever action? */
  hasRoom: () => boolean;
  /** Nothing is pulled any more, and every pull has ended. */
  stopped: (reason: StopReason) => void;
  /** ms */
  now: () => number;
  log: Logger;
}

export type StopReason = 'idle' | 'no queue' | 'another revision' | 'nobody answers' | 'asked to';

/**
 * What a pull is reported to take, ms: it is free again at once, since activations wait here. With their true durations
 * a scheduler would think that one container cannot do it.
 */
const PULL_MS = 1;
const BACKOFF = { firstMs: 50, maxMs: 2_000 };
/** Looks for a leader that find none. */
const ABSENCES_MAX = 2;

export class ActionPulls {
  readonly action: PulledAction;
  readonly container: string;
  readonly #parts: PullParts;
  readonly #rules: PullRules;
  readonly #stopping = new AbortController();
  #scheduler: SchedulerAddress;
  #state: 'pulling' | 'searching' | 'stopped' = 'pulling';
  /** Grows with each new scheduler: what a former one says is past. */
  #term = 0;
  #open = 0;
  #wanted = 1;
  #pulled = 0;
  #hasRun = false;
  #failures = 0;
  #lastActivationMs: number;
  #lastAnswerMs: number;
  #reason: StopReason = 'asked to';
  readonly #ended: Promise<void>;
  #end: (() => void) | undefined;

  constructor(
    action: PulledAction,
    container: string,
    scheduler: SchedulerAddress,
    parts: PullParts,
    rules: PullRules,
  ) {
    this.action = action;
    this.container = container;
    this.#scheduler = scheduler;
    this.#parts = parts;
    this.#rules = rules;
    this.#lastActivationMs = this.#lastAnswerMs = parts.now();
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Does this scheduler count this container now? */
  isAt({ host, port }: SchedulerAddress): boolean {
    return this.#state === 'pulling' && this.#scheduler.host === host && this.#scheduler.port === port;
  }

  get isStopped(): boolean {
    return this.#state === 'stopped';
  }

  /** A scheduler has ordered a container: its queue is there. */
  begin(scheduler: SchedulerAddress): void {
    if (this.#state === 'stopped') return;
    this.#scheduler = scheduler;
    this.#state = 'pulling';
    this.#term += 1;
    this.#wanted = 1;
    this.#lastAnswerMs = this.#lastActivationMs = this.#parts.now();
    this.fill();
  }

  /** As many pulls as there should be. To be called when room has come about, too. */
  fill(): void {
    while (this.#state === 'pulling' && this.#open < this.#wanted && this.#mayPull()) void this.#pull(this.#term);
  }

  /** Takes no more; resolves when every pull has ended, for none may be lost. */
  async stop(reason: StopReason = 'asked to'): Promise<void> {
    if (this.#state === 'stopped') return this.#ended;
    this.#reason = reason;
    this.#state = 'stopped';
    this.#stopping.abort();
    if (this.#open === 0) this.#close();
    const { schedulers, log } = this.#parts;
    const { action, container } = this;
    // The scheduler lets go of the container at once, and of the pulls that wait.
    const pull = { action, container, warmed: this.#hasRun, alive: false };
    await schedulers.pull(this.#scheduler, pull).catch((error: unknown) => {
      log.debug({ action: action.name.name, reason: errorMessage(error) }, 'scheduler was not told of the end');
    });
    return this.#ended;
  }

  #mayPull(): boolean {
    const expected = this.#pulled + this.#open;
    return expected < this.#rules.pulledMax && (expected === 0 || this.#parts.hasRoom());
  }

  async #pull(term: number): Promise<void> {
    const { action, container } = this;
    this.#open += 1;
    let pulled: Pulled | undefined;
    let failure: unknown;
    try {
      const lastDurationMs = this.#hasRun ? { lastDurationMs: PULL_MS } : {};
      const pull = { action, container, warmed: this.#hasRun, alive: true, ...lastDurationMs };
      pulled = await this.#parts.schedulers.pull(this.#scheduler, pull);
    } catch (error) {
      failure = error;
    }
    this.#open -= 1;
    if (pulled?.kind === 'activation') this.#take(pulled.value);
    if (term === this.#term && this.#state === 'pulling') this.#answered(pulled, failure);
    if (this.#state === 'stopped' && this.#open === 0) this.#close();
  }

  #answered(pulled: Pulled | undefined, failure: unknown): void {
    if (pulled !== undefined) {
      this.#failures = 0;
      this.#lastAnswerMs = this.#parts.now();
    }
    switch (pulled?.kind) {
      case 'activation':
        this.#wanted = Math.min(2 * this.#wanted, this.#rules.pullsMax);
        return this.fill();
      case 'none':
        this.#wanted = Math.max(1, Math.floor(this.#wanted / 2));
        return this.#isIdle() ? void this.stop('idle') : this.fill();
      case 'mismatch':
        return void this.stop('another revision');
      case 'no-queue':
      case undefined:
        this.#state = 'searching';
        this.#term += 1;
        if (failure !== undefined) this.#parts.log.debug({ reason: errorMessage(failure) }, 'pull failed');
        void this.#search(this.#term);
    }
  }

  #take(value: Buffer): void {
    this.#hasRun = true;
    this.#lastActivationMs = this.#parts.now();
    this.#pulled += 1;
    void this.#parts
      .accept(value)
      .catch((error: unknown) => this.#parts.log.error({ err: error }, 'pulled activation was not accepted'))
      .finally(() => {
        this.#pulled -= 1;
        this.fill();
      });
  }

  #isIdle(): boolean {
    return this.#pulled === 0 && this.#parts.now() - this.#lastActivationMs >= this.#rules.idleMs;
  }

  /** Asks where the queue is, with growing pauses, until somebody is there or it is over. */
  async #search(term: number): Promise<void> {
    const { leader, now } = this.#parts;
    const isCurrent = (): boolean => term === this.#term && this.#state === 'searching';
    for (let absences = 0; isCurrent();) {
      this.#failures += 1;
      const { signal } = this.#stopping;
      await sleep(pauseMs(BACKOFF, this.#failures), undefined, { signal }).catch(() => undefined);
      if (!isCurrent()) return;
      const found = await leader(this.action).catch(() => 'unknown' as const);
      if (!isCurrent()) return;
      if (found === undefined) absences += 1;
      else if (found !== 'unknown') return this.#resume(found);
      if (absences >= ABSENCES_MAX) return void this.stop('no queue');
      if (now() - this.#lastAnswerMs > this.#rules.lostMs) return void this.stop('nobody answers');
    }
  }

  #resume(scheduler: SchedulerAddress): void {
    if (this.#parts.now() - this.#lastAnswerMs > this.#rules.lostMs) return void this.stop('nobody answers');
    this.#scheduler = scheduler;
    this.#state = 'pulling';
    this.#term += 1;
    this.#wanted = 1;
    this.fill();
  }

  #close(): void {
    if (this.#end === undefined) return;
    this.#end();
    this.#end = undefined;
    this.#parts.stopped(this.#reason);
  }
}
