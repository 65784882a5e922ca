/** What was decided and done last, for people. Bounded, in memory only. Pure, time passed in. */
import { type Activation, transactionStartMs, valueOf } from '@tetris/common';
import type { Tracked } from '../in-flight/table';
import type { Alternative } from './alternatives';

/** Where a new instance was placed; those that found one at work are not noted. */
export interface PlacementNote {
  /** Epoch ms. */
  atMs: number;
  activationId: string;
  name: string;
  namespace: string;
  /** See `PlacementOutcome`. */
  outcome: string;
  node: string;
  theta: number;
  notChosen: Alternative[];
}

/** When an activation was where, epoch ms. */
export interface ActivationNote {
  activationId: string;
  name: string;
  namespace: string;
  invoker: number;
  /** Its transaction began, at the controller. */
  startMs: number;
  /** It was handed on to the invoker. */
  sentMs: number;
  /** Its end was heard of here. */
  ackedMs: number;
}

/** A note with what its record says of it; ms where nothing else is said. */
export interface ActivationWay extends ActivationNote {
  record?: {
    start: number;
    end: number;
    statusCode: number;
    initMs?: number;
    queueMs?: number;
    runMs?: number;
    batch?: number;
    objectiveMet?: boolean;
  };
}

const PLACEMENTS_KEPT = 50;
const ACTIVATIONS_KEPT = 200;

export class Trail {
  readonly #placements: PlacementNote[] = [];
  readonly #activations: ActivationNote[] = [];

  placed(note: PlacementNote): void {
    this.#placements.push(note);
    if (this.#placements.length > PLACEMENTS_KEPT) this.#placements.shift();
  }

  ended({ entry, sentMs }: Pick<Tracked, 'entry' | 'sentMs'>, nowMs: number): void {
    const { activationId, action: name, namespace, invoker, transid } = entry;
    const startMs = transactionStartMs(transid, sentMs);
    this.#activations.push({ activationId, name, namespace, invoker, startMs, sentMs, ackedMs: nowMs });
    if (this.#activations.length > ACTIVATIONS_KEPT) this.#activations.shift();
  }

  /** Newest first. */
  placements(count: number): PlacementNote[] {
    return this.#placements.slice(-count).reverse();
  }

  activations(count: number): ActivationNote[] {
    return this.#activations.slice(-count).reverse();
  }

  activation(activationId: string): ActivationNote | undefined {
    return this.#activations.findLast((note) => note.activationId === activationId);
  }
}

/** Times only: what went in and came out is its owner's. */
export function wayOf(note: ActivationNote, record: Activation | undefined): ActivationWay {
  if (record === undefined) return note;
  const { start, end, response, annotations } = record;
  const { queueMs, runMs, batch, objectiveMet } = (valueOf(annotations, 'tetris') ?? {}) as NonNullable<
    ActivationWay['record']
  >;
  const initMs = valueOf(annotations, 'initTime') as number | undefined;
  return {
    ...note,
    record: {
      ...{ start, end: end ?? start, statusCode: response.statusCode },
      ...(initMs !== undefined && { initMs }),
      ...(queueMs !== undefined && { queueMs }),
      ...(runMs !== undefined && { runMs }),
      ...(batch !== undefined && { batch }),
      ...(objectiveMet !== undefined && { objectiveMet }),
    },
  };
}
