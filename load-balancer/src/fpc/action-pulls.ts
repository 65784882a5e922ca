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
 * throttled, so activations wait here.
 */
import { errorMessage, type Logger } from '@tetris/common';
import type { PulledAction } from './etcd-keys';
import { LeaderSearch, type NotFound } from './leader-search';
import { type PullBounds, PullWindow } from './pull-window';
import type { Pulled, SchedulerAddress, Schedulers } from './schedulers';

export interface PullRules extends PullBounds {
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

export type StopReason = NotFound | 'idle' | 'another revision' | 'asked to';

/**
 * What a pull is reported to take, ms: it is free again at once, since activations wait here. With their true durations
 * a scheduler would think that one container cannot do it.
 */
const PULL_MS = 1;

export class ActionPulls {
  readonly action: PulledAction;
  readonly container: string;
  readonly #parts: PullParts;
  readonly #idleMs: number;
  readonly #window: PullWindow;
  readonly #search: LeaderSearch;
  #searching: AbortController | undefined;
  #scheduler: SchedulerAddress;
  #state: 'pulling' | 'searching' | 'stopped' = 'pulling';
  /** Grows with each new scheduler: what a former one says is past. */
  #term = 0;
  /** Pulls at schedulers of all terms, each of which may bring something. */
  #open = 0;
  #hasRun = false;
  #isOrdered = false;
  #lastActivationMs: number;
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
    this.#idleMs = rules.idleMs;
    this.#window = new PullWindow(rules);
    this.#search = new LeaderSearch({ leader: async () => parts.leader(action), now: parts.now }, rules.lostMs);
    this.#lastActivationMs = parts.now();
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Does this scheduler count this container now, and has one ordered it? */
  isOrderedBy(scheduler: SchedulerAddress): boolean {
    return this.#isOrdered && this.#isAt(scheduler);
  }

  get isStopped(): boolean {
    return this.#state === 'stopped';
  }

  /** The action's queue is at this scheduler. @param isOrdered it has ordered a container for it */
  begin(scheduler: SchedulerAddress, isOrdered: boolean): void {
    if (this.#state === 'stopped') return;
    this.#isOrdered ||= isOrdered;
    this.#lastActivationMs = this.#parts.now();
    this.#search.answered();
    if (this.#open === 0 || !this.#isAt(scheduler)) this.#pullFrom(scheduler);
  }

  /** As many pulls as there should be. To be called when room has come about, too. */
  fill(): void {
    while (this.#state === 'pulling' && this.#window.mayOpen(this.#parts.hasRoom())) void this.#pull(this.#term);
  }

  /** Takes no more; resolves when every pull has ended, for none may be lost. */
  async stop(reason: StopReason = 'asked to'): Promise<void> {
    if (this.#state === 'stopped') return this.#ended;
    this.#reason = reason;
    this.#state = 'stopped';
    this.#searching?.abort();
    this.#closeIfEnded();
    const { schedulers, log } = this.#parts;
    const { action, container } = this;
    // The scheduler lets go of the container at once, and of the pulls that wait.
    const pull = { action, container, warmed: this.#hasRun, alive: false };
    await schedulers.pull(this.#scheduler, pull).catch((error: unknown) => {
      log.debug({ action: action.name.name, reason: errorMessage(error) }, 'scheduler was not told of the end');
    });
    return this.#ended;
  }

  async #pull(term: number): Promise<void> {
    const { action, container } = this;
    const lastDurationMs = this.#hasRun ? { lastDurationMs: PULL_MS } : {};
    const pull = { action, container, warmed: this.#hasRun, alive: true, ...lastDurationMs };
    this.#open += 1;
    this.#window.opened();
    const pulled = await this.#parts.schedulers.pull(this.#scheduler, pull).catch((error: unknown) => {
      this.#parts.log.debug({ reason: errorMessage(error) }, 'pull failed');
      return undefined;
    });
    this.#open -= 1;
    const isOfThisTerm = term === this.#term;
    if (isOfThisTerm) this.#window.ended();
    if (pulled?.kind === 'activation') this.#take(pulled.value);
    if (isOfThisTerm && this.#state === 'pulling') this.#answered(pulled);
    this.#closeIfEnded();
  }

  /** @param pulled undefined: the scheduler did not answer */
  #answered(pulled: Pulled | undefined): void {
    if (pulled !== undefined) this.#search.answered();
    switch (pulled?.kind) {
      case 'activation':
        this.#window.grow();
        return this.fill();
      case 'none':
        this.#window.shrink();
        return this.#isIdle() ? void this.stop('idle') : this.fill();
      case 'mismatch':
        return void this.stop('another revision');
      case 'no-queue':
      case undefined:
        return void this.#goOnElsewhere();
    }
  }

  #take(value: Buffer): void {
    this.#hasRun = true;
    this.#lastActivationMs = this.#parts.now();
    this.#window.pulled();
    void this.#parts
      .accept(value)
      .catch((error: unknown) => this.#parts.log.error({ err: error }, 'pulled activation was not accepted'))
      .finally(() => {
        this.#window.handedOn();
        this.fill();
      });
  }

  #isAt({ host, port }: SchedulerAddress): boolean {
    return this.#state === 'pulling' && this.#scheduler.host === host && this.#scheduler.port === port;
  }

  #isIdle(): boolean {
    return !this.#window.hasPulled && this.#parts.now() - this.#lastActivationMs >= this.#idleMs;
  }

  async #goOnElsewhere(): Promise<void> {
    this.#state = 'searching';
    this.#term += 1;
    const { signal } = (this.#searching = new AbortController());
    const found = await this.#search.find(signal);
    if (found === undefined) return;
    if (typeof found === 'string') return this.stop(found);
    this.#pullFrom(found);
  }

  #pullFrom(scheduler: SchedulerAddress): void {
    this.#searching?.abort();
    this.#scheduler = scheduler;
    this.#state = 'pulling';
    this.#term += 1;
    this.#window.restart();
    this.fill();
  }

  #closeIfEnded(): void {
    if (this.#end === undefined || this.#state !== 'stopped' || this.#open > 0) return;
    this.#end();
    this.#end = undefined;
    this.#parts.stopped(this.#reason);
  }
}
