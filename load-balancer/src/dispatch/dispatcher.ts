/**
 * Hands activations to invokers and brings their acks back to the front end. Books are level when every activation
 * that was accepted has passed exactly one result and one freed slot to the front end, from its invoker or from here.
 */
import {
  type Bus,
  type InFlight,
  type Logger,
  type Topics,
  type Tracer,
  activationSpan,
  actionKey,
  retry,
  transactionStartMs,
} from '@tetris/common';
import type { ActionCatalog, ActionFacts } from '../actions';
import type { Fleet } from '../fleet/fleet';
import type { Answers, Arrival, ReceivedAck } from '../front-end';
import { type DeadlineRules, controllerDeadlineMs } from '../in-flight/deadline';
import type { Journal } from '../in-flight/journal';
import type { InFlightTable, Tracked } from '../in-flight/table';
import type { BalancerMetrics } from '../metrics';
import type { Placement, PlacementRequest, Placer } from '../placement/placement';
import { type Failure, failedActivation } from './failure';
import { canSendAgain, perhapsSent, SEND_BACKOFF } from './sending';
import { type WaitingBounds, type WaitOutcome, WaitingRoom } from './waiting';
import { NamespaceWeights, WorkEstimates } from './work';

export interface DispatchRules extends DeadlineRules, WaitingBounds {
  /** Time limit assumed of an action whose document cannot be read, ms. */
  timeLimitMaxMs: number;
  /** Memory assumed of it, bytes. */
  memoryDefaultBytes: number;
  /** Longest wait for an invoker with room, ms. */
  waitMsMax: number;
  /** `namespace=weight`. */
  namespaceWeights: readonly string[];
  /** Actions whose durations are remembered. */
  actionsMax: number;
  /** What an activation of an action is taken to cost that has not answered yet, ms. */
  unknownWorkMs: number;
  /** Longest time that a message is offered to a broker that is away, ms. */
  sendMsMax: number;
}

export interface DispatcherParts {
  bus: Bus;
  topics: Topics;
  catalog: Pick<ActionCatalog, 'facts'>;
  fleet: Fleet;
  placer: Pick<Placer, 'place' | 'placeProbe' | 'answerMs' | 'service'>;
  table: InFlightTable;
  journal: Journal;
  answers: Answers;
  /** Makes sure that the acks of a controller are read; called before anything is handed on for it. */
  listenTo: (controller: string) => Promise<void>;
  /** Stores the record of an activation that fails here. */
  store: (activation: ReturnType<typeof failedActivation>) => void;
  /** Told of each activation that was placed, and of each whose end was heard of. */
  onPlaced?: (arrival: Arrival, placement: Placed) => void;
  onEnded?: (tracked: Tracked) => void;
  metrics: BalancerMetrics;
  tracer: Tracer;
  log: Logger;
  now: () => number;
}

export type Placed = Extract<Placement, { invoker: unknown }>;
type Unplaced = { outcome: 'saturated' | 'absent' | 'unserved' | Exclude<WaitOutcome, 'placed'> };

export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #rules: DispatchRules;
  readonly #waiting: WaitingRoom;
  readonly #work: WorkEstimates;
  readonly #weights: NamespaceWeights;
  readonly #accepted = new Set<string>();

  constructor(parts: DispatcherParts, rules: DispatchRules) {
    this.#parts = parts;
    this.#rules = rules;
    this.#waiting = new WaitingRoom(rules);
    this.#work = new WorkEstimates(rules.actionsMax, rules.unknownWorkMs);
    this.#weights = new NamespaceWeights(rules.namespaceWeights);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether one more activation of this action would only make another one late: whoever can is to refuse it. */
  isSurplus(of: Pick<InFlight, 'namespace' | 'action'>): boolean {
    return this.#waiting.isSurplus(queueName(of), this.#parts.now());
  }

  /** Activations that have been taken, are neither handed on nor answered, and do not wait for an invoker. */
  get handingOn(): number {
    return this.#accepted.size - this.#waiting.size;
  }

  /** Resolves when the activation has been handed on or answered. */
  async accept(arrival: Arrival): Promise<void> {
    const { table, log } = this.#parts;
    const { activationId } = arrival;
    if (table.has(activationId) || this.#accepted.has(activationId)) {
      log.warn({ activationId }, 'activation came twice: it is in flight already');
      return;
    }
    this.#accepted.add(activationId);
    const arrivedMs = this.#parts.now();
    try {
      this.#trace(arrival, arrivedMs, await this.#dispatch(arrival));
    } finally {
      this.#accepted.delete(activationId);
    }
  }

  /** What came before and what was done here. A controller's own probe is nobody's activation. */
  #trace(arrival: Arrival, arrivedMs: number, error: string | undefined): void {
    const { tracer, now } = this.#parts;
    if (arrival.healthTest) return;
    const startMs = Math.min(transactionStartMs(arrival.transid, arrivedMs), arrivedMs);
    tracer.record(activationSpan(arrival, 'controller', { startMs, endMs: arrivedMs }));
    const about = { 'openwhisk.action': arrival.action, 'openwhisk.controller': arrival.controller, error };
    tracer.record(activationSpan(arrival, 'load balancer', { startMs: arrivedMs, endMs: now() }, about));
  }

  /** @returns why it was answered here; undefined where it was handed on */
  async #dispatch(arrival: Arrival): Promise<string | undefined> {
    const { catalog, listenTo, now } = this.#parts;
    const facts = arrival.healthTest ? undefined : await catalog.facts(arrival.action, arrival.revision);
    await listenTo(arrival.controller);
    const deadlineMs = controllerDeadlineMs(this.#rules, facts?.timeoutMs ?? this.#rules.timeLimitMaxMs, now());
    const placement = await this.#placeOrWait(arrival, facts, deadlineMs);
    if ('invoker' in placement) {
      await this.#handOn(arrival, placement, deadlineMs);
      return undefined;
    }
    const { failure, reason } = explain(placement.outcome, facts?.kind);
    await this.#fail(entryOf(arrival, NOWHERE, deadlineMs), failure, reason, arrival.healthTest);
    this.#parts.journal.erase(arrival.activationId);
    return reason;
  }

  async #placeOrWait(arrival: Arrival, facts: ActionFacts | undefined, deadlineMs: number): Promise<Placed | Unplaced> {
    const queue = queueName(arrival);
    const nowMs = this.#parts.now();
    const startMs = transactionStartMs(arrival.transid, nowMs);
    const after = (ms: number | undefined): number => startMs + (ms ?? Number.POSITIVE_INFINITY);
    const untilMs = Math.min(nowMs + this.#rules.waitMsMax, deadlineMs, after(facts?.deadlineMs));
    const request = this.#requestOf(arrival, facts, after(facts?.sloMs));
    let placement: Placement = { outcome: 'saturated' };
    // What waits at an invoker is overtaken by nobody: where somebody is late, who is next waits here for a place.
    const attempt = (crowded = false): boolean => {
      placement = this.#place(arrival, { ...request, crowded });
      return placement.outcome !== 'saturated' && placement.outcome !== 'absent';
    };
    // Nobody overtakes those that wait for the same instances and are to go first.
    if (!this.#waiting.has(queue) && attempt()) return placement;
    // Nobody else has it any more. Not awaited: what is written for it later comes after this.
    void this.#parts.journal.record({ ...entryOf(arrival, NOWHERE, deadlineMs), message: arrival.value.toString() });
    const waited = await this.#waiting.wait(
      {
        room: facts?.kind ?? '',
        queue,
        costMs: this.#work.costMs(queue),
        weight: this.#weights.of(arrival.namespace),
        priority: facts?.priority ?? 0,
        // An objective decides who goes first. It turns nobody away: a late answer is better than an error.
        dueMs: Math.min(untilMs, request.dueMs),
        untilMs,
        answerMs: (atMs) => this.#parts.placer.answerMs(request, atMs),
        service: () => this.#parts.placer.service(request),
        attempt,
      },
      nowMs,
    );
    this.#parts.metrics.waitSeconds.observe((this.#parts.now() - nowMs) / 1000);
    return waited === 'hopeless' || waited === 'full' ? { outcome: waited } : placement;
  }

  #requestOf(
    { action, revision, namespace }: Arrival,
    facts: ActionFacts | undefined,
    dueMs: number,
  ): PlacementRequest & { dueMs: number } {
    return {
      actionKey: actionKey(action, revision),
      action,
      namespace,
      kind: facts?.kind,
      memoryBytes: facts?.memoryBytes ?? this.#rules.memoryDefaultBytes,
      concurrency: facts?.concurrency ?? 1,
      dueMs,
    };
  }

  #place(arrival: Arrival, request: PlacementRequest): Placement {
    const { placer, metrics, now } = this.#parts;
    const started = process.hrtime.bigint();
    const placement = arrival.healthTest ? placer.placeProbe(now()) : placer.place(request, now());
    metrics.decision.observe(Number(process.hrtime.bigint() - started) / 1e9);
    metrics.placements.inc({ outcome: placement.outcome });
    if ('invoker' in placement && !arrival.healthTest) this.#parts.onPlaced?.(arrival, placement);
    return placement;
  }

  async #handOn(arrival: Arrival, { invoker, sent, release }: Placed, deadlineMs: number): Promise<void> {
    const { bus, topics, table, journal, now, log } = this.#parts;
    const entry = entryOf(arrival, invoker.instance, deadlineMs);
    table.add({ entry, release, sentMs: now(), resultPassed: false, slotFreed: false });
    await journal.record(entry);
    if (!table.has(entry.activationId)) return; // The invoker was lost, and this activation with it.
    const { instance } = invoker;
    const untilMs = Math.min(now() + this.#rules.sendMsMax, deadlineMs);
    let isPerhapsThere = false;
    const again = (error: unknown): boolean => {
      isPerhapsThere ||= perhapsSent(error);
      return canSendAgain(error, invoker.runsOnce);
    };
    try {
      const send = async (): Promise<number | void> => bus.send(topics.invoker(instance), arrival.value);
      const position = await retry(send, { backoff: SEND_BACKOFF, untilMs, now, again });
      if (position !== undefined) sent?.(position);
    } catch (error) {
      const { activationId } = entry;
      log.error({ activationId, invoker: instance, err: error }, 'activation could not be handed on');
      // Where the broker may have it after all, the invoker will answer, or be found not to have it.
      if (!isPerhapsThere) await this.lose(activationId, `could not be sent to invoker ${instance}`);
    }
  }

  /** An ack from `Q+completed<controller>`. Those of other load balancers pass by. */
  async acked(ack: ReceivedAck): Promise<void> {
    const { table, fleet, metrics, answers, log, now } = this.#parts;
    const judged = table.acked(ack.activationId, ack.type);
    if (judged.verdict !== 'pass') {
      metrics.acks.inc({ outcome: judged.verdict === 'unknown' ? 'foreign' : 'duplicate' });
      return;
    }
    const { entry, release } = judged.tracked;
    if (ack.durationMs !== undefined) this.#work.ended(queueName(entry), ack.durationMs);
    if (judged.frees) {
      release(now());
      this.#parts.onEnded?.(judged.tracked);
      fleet.outcome(entry.invoker, ack.isSystemError, now());
      this.#waiting.retry(now(), queueName(entry));
    }
    try {
      await answers.deliver(entry, ack);
      metrics.acks.inc({ outcome: 'passed' });
    } catch (error) {
      metrics.acks.inc({ outcome: 'undelivered' });
      log.error({ activationId: entry.activationId, err: error }, 'ack could not be passed on');
    }
    this.#eraseIfDone(judged.tracked);
  }

  /** Answers an activation whose invoker will not. Does nothing where it has been answered. */
  async lose(activationId: string, reason: string): Promise<void> {
    const tracked = this.#parts.table.remove(activationId);
    if (tracked === undefined) return;
    if (!tracked.slotFreed) tracked.release();
    this.#waiting.retry(this.#parts.now());
    await this.#fail(tracked.entry, { statusCode: 3, reason: `The activation ${reason}.` }, 'lost');
    this.#parts.journal.erase(activationId);
  }

  /** Once a second: deadlines, and another try for those that wait. */
  tick(nowMs: number): void {
    const { table, journal, metrics, log } = this.#parts;
    for (const tracked of table.expire(nowMs)) {
      if (!tracked.slotFreed) tracked.release();
      journal.erase(tracked.entry.activationId);
      metrics.expired.inc();
      log.warn({ activationId: tracked.entry.activationId }, 'no invoker answered before the deadline');
    }
    this.#waiting.expire(nowMs);
    this.#waiting.retry(nowMs);
    metrics.inFlight.set(table.size);
    metrics.waiting.set(this.#waiting.size);
  }

  /** Gives up on everything that still waits. */
  giveUpWaiting(): void {
    this.#waiting.expire(Number.POSITIVE_INFINITY);
  }

  async #fail(entry: InFlight, failure: Failure, reason: string, probe = false): Promise<void> {
    const { answers, metrics, store, log, now } = this.#parts;
    const activation = failedActivation(entry, failure, now());
    metrics.failures.inc({ reason });
    if (!probe) store(activation);
    try {
      await answers.fail(entry, activation);
    } catch (error) {
      log.error({ activationId: entry.activationId, err: error }, 'activation could not be answered');
    }
  }

  #eraseIfDone({ entry }: Tracked): void {
    if (!this.#parts.table.has(entry.activationId)) this.#parts.journal.erase(entry.activationId);
  }
}

/** The invoker of an activation that has none. */
export const NOWHERE = -1;

/** Those of one action and invoking namespace wait for the same instances. */
function queueName({ namespace, action }: Pick<InFlight, 'namespace' | 'action'>): string {
  return `${namespace} ${action}`;
}

function entryOf(arrival: Arrival, invoker: number, deadlineMs: number): InFlight {
  const { activationId, virtualInvoker, controller, transid, blocking, namespace, action, subject, version } = arrival;
  return {
    activationId,
    virtualInvoker,
    invoker,
    controller,
    transid,
    blocking,
    deadlineMs,
    namespace,
    action,
    subject,
    ...(version === undefined ? {} : { version }),
  };
}

function explain(outcome: string, kind: string | undefined): { failure: Failure; reason: string } {
  if (outcome === 'unserved') {
    const reason = `No invoker serves actions of kind '${kind ?? 'unknown'}'.`;
    return { failure: { statusCode: 1, reason }, reason: 'unserved' };
  }
  // Not status 3: that counts against the virtual invoker, which would be closed for those who can be served.
  if (outcome === 'hopeless') {
    const reason = 'The action was refused: it would wait for an invoker for longer than its deadline allows.';
    return { failure: { statusCode: 1, reason }, reason: outcome };
  }
  if (outcome === 'full') {
    const reason = 'The action was refused: too many activations wait for an invoker.';
    return { failure: { statusCode: 1, reason }, reason: outcome };
  }
  const reason = outcome === 'absent' ? 'No invoker is available.' : 'Every invoker is busy.';
  return { failure: { statusCode: 3, reason }, reason: outcome };
}
