import { type Ack, ackedActivationId, type Activation, freesSlot, type TransactionId } from '@tetris/common';
import { LRUCache } from 'lru-cache';
import type { Claim } from './invoker-pool';
import type { Outcome } from './supervision';
import type { OnViolation } from './violation';

/** The result as an ack brings it: the record, or its id alone where it was shrunk. */
export type AckedResult = Activation | string;

/** An activation that was sent and whose slot is not free yet. */
export interface Entry {
  activationId: string;
  transid: TransactionId;
  namespace: string;
  invoker: number;
  claim: Claim;
  /** Epoch ms at which the controller gives up. */
  deadlineMs: number;
  onResult: (result: AckedResult) => void;
  onForced: () => void;
  /** Its slot is free: nothing more will be heard of it. */
  onFreed: () => void;
}

/** What became of an activation that is no longer in flight. */
interface Past {
  transid: string;
  forced: boolean;
  resultSeen: boolean;
  onResult: (result: AckedResult) => void;
}

/** A slot that is free now. */
export interface Freed {
  entry: Entry;
  /** The invoker that the ack names, which is the one that gets the permits back. */
  invoker: number;
  outcome: Outcome;
}

/** Activations remembered after their end, to tell a second ack from a foreign one. */
const PAST_MAX = 20_000;

/**
 * Activations in flight, and the three kinds of ack applied to them. Source: `K/loadBalancer/CommonLoadBalancer.scala`.
 * Pure: time is passed in, effects are returned or called.
 */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  /** In flight, by namespace: asked for with each request, so that one too many costs next to nothing. */
  readonly #counts = new Map<string, number>();
  readonly #resultSeen = new Set<string>();
  readonly #past = new LRUCache<string, Past>({ max: PAST_MAX });
  readonly #onViolation: OnViolation;

  constructor(onViolation: OnViolation) {
    this.#onViolation = onViolation;
  }

  get size(): number {
    return this.#entries.size;
  }

  countOf(namespace: string): number {
    return this.#counts.get(namespace) ?? 0;
  }

  add(entry: Entry): void {
    this.#entries.set(entry.activationId, entry);
    this.#counts.set(entry.namespace, this.countOf(entry.namespace) + 1);
  }

  /** Takes back an entry whose message could not be sent. */
  withdraw(activationId: string): void {
    const entry = this.#entries.get(activationId);
    if (entry !== undefined) this.#remove(entry);
  }

  /** Applies an ack of a user activation. Returns the slot that it frees. */
  acknowledge(ack: Ack): Freed | undefined {
    const activationId = ackedActivationId(ack);
    const entry = this.#entries.get(activationId);
    const past = this.#past.get(activationId);
    if (entry === undefined && past === undefined) {
      this.#violation('unknown-activation', activationId, 'an ack names an activation that is not in flight');
      return undefined;
    }
    const sent = entry === undefined ? past?.transid : JSON.stringify(entry.transid);
    if (JSON.stringify(ack.transid) !== sent) {
      this.#violation('transid-changed', activationId, `sent ${sent}, got ${JSON.stringify(ack.transid)}`);
    }
    if (ack.response != null) this.#result(activationId, ack.response, entry, past);
    if (!freesSlot(ack)) return undefined;
    if (entry === undefined) {
      const kind = past?.forced === true ? 'late-completion' : 'second-completion';
      this.#violation(kind, activationId, 'the slot of this activation was free already');
      return undefined;
    }
    return this.#free(entry, ack);
  }

  /** Gives up on every entry whose deadline has passed, and returns their slots. */
  expire(nowMs: number): Freed[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.deadlineMs <= nowMs)
      .map((entry) => {
        this.#violation('forced-completion', entry.activationId, `invoker${entry.invoker} never completed it`);
        this.#end(entry, true);
        entry.onForced();
        return { entry, invoker: entry.invoker, outcome: 'timeout' };
      });
  }

  #result(activationId: string, response: AckedResult, entry: Entry | undefined, past: Past | undefined): void {
    if (entry === undefined ? past?.resultSeen === true : this.#resultSeen.has(activationId)) {
      this.#violation('second-result', activationId, 'the result of this activation had come already');
      return;
    }
    if (entry !== undefined) this.#resultSeen.add(activationId);
    if (past !== undefined) past.resultSeen = true;
    (entry ?? past)?.onResult(response);
  }

  #free(entry: Entry, ack: Ack): Freed {
    const { instance } = ack;
    const named = instance != null && 'instance' in instance ? Number(instance.instance) : undefined;
    if (named !== entry.invoker) {
      const text = `the ack names ${JSON.stringify(instance)}, chosen was invoker${entry.invoker}`;
      this.#violation('wrong-instance', entry.activationId, text);
    }
    this.#end(entry, false);
    return { entry, invoker: named ?? -1, outcome: ack.isSystemError === true ? 'system-error' : 'success' };
  }

  #end(entry: Entry, forced: boolean): void {
    const { activationId, onResult, onFreed } = entry;
    this.#remove(entry);
    const resultSeen = this.#resultSeen.delete(activationId);
    this.#past.set(activationId, { transid: JSON.stringify(entry.transid), forced, resultSeen, onResult });
    onFreed();
  }

  #remove({ activationId, namespace }: Entry): void {
    this.#entries.delete(activationId);
    const left = this.countOf(namespace) - 1;
    if (left === 0) this.#counts.delete(namespace);
    else this.#counts.set(namespace, left);
  }

  #violation(kind: Parameters<OnViolation>[0]['kind'], activationId: string, text: string): void {
    this.#onViolation({ kind, text, activationId });
  }
}
