/** Where an activation goes: the choices put in their order, and what each of them changes in the books. */
import type { Fleet } from '../fleet/fleet';
import type { Invoker } from '../fleet/invoker';
import { Arriving } from './arriving';
import { chooseHome, chooseShortestQueue, chooseSimilar } from './choose';
import { type Fractions, homeHash } from './home-invoker';
import { type Booking, InstanceBook, instanceKey, type Service } from './instances';
import type { SimilarityIndex } from './similarity';
import { claim, walkHome } from './stock-walk';

/** An activation as placement sees it. */
export interface PlacementRequest {
  /** See `actionKey` of common. */
  actionKey: string;
  /** `namespace[/package]/name`. */
  action: string;
  /** The invoking namespace. */
  namespace: string;
  /** Undefined where the action's document cannot be read. */
  kind: string | undefined;
  memoryBytes: number;
  /** Activations at once in one instance. */
  concurrency: number;
  /** When its answer is due, epoch ms. @default never */
  dueMs?: number;
  /** More comes than can be served: it does not wait behind others at an invoker. @default false */
  crowded?: boolean;
}

export type PlacementOutcome = 'warm' | 'similar' | 'home' | 'queued' | 'walk';

export type Placement =
  /**
   * `sent` is told where in the invoker's topic it is, where that is known; `release` must be called once, when the slot
   * is free again.
   */
  | {
      outcome: PlacementOutcome;
      invoker: Invoker;
      theta: number;
      sent?: (position: number) => void;
      release: (answeredMs?: number) => void;
    }
  /** Every invoker that could serve it has all that may be in flight there: wait. */
  | { outcome: 'saturated' }
  /** No usable invoker at all: wait a little, then give up. */
  | { outcome: 'absent' }
  /** There are invokers, but none for this kind. */
  | { outcome: 'unserved' };

export interface PlacementRules extends Fractions {
  /** Kinds that are placed by similarity on tetris invokers. */
  tetrisKinds: readonly string[];
  /** Further kinds that tetris invokers can run where there is no stock invoker; a trailing `*` matches any ending. */
  plainKinds: readonly string[];
  /** Activations that this load balancer hands to one invoker at once. */
  inFlightMax: number;
  /** Part of that for activations that find no place in an instance, 0..1. */
  queuedShare: number;
  /** How long memory stays set aside, and tensors are expected, for an instance that no status shows yet, ms. */
  startMsMax: number;
}

export class Placer {
  readonly #fleet: Fleet;
  readonly #similarity: SimilarityIndex;
  readonly #rules: PlacementRules;
  readonly #random: () => number;
  readonly #arriving: Arriving;
  readonly instances: InstanceBook;

  /** @param random in [0, 1) */
  constructor(fleet: Fleet, similarity: SimilarityIndex, rules: PlacementRules, random: () => number) {
    this.#fleet = fleet;
    this.#similarity = similarity;
    this.#rules = rules;
    this.#random = random;
    this.#arriving = new Arriving(rules.startMsMax);
    this.instances = new InstanceBook(rules.startMsMax);
  }

  /** Decides, and books the activation on the chosen invoker. */
  place(request: PlacementRequest, nowMs: number): Placement {
    const pool = this.#poolFor(request.kind, nowMs);
    if (pool === 'absent' || pool === 'unserved') return { outcome: pool };
    const key = instanceKey(request.actionKey, request.namespace);
    const placement = pool === 'stock' ? this.#walk(request, key, nowMs) : this.#nearTensors(request, key, nowMs);
    return placement ?? { outcome: 'saturated' };
  }

  /** When an answer to an activation that is placed now can be there at the earliest, epoch ms. */
  answerMs({ actionKey, namespace }: Pick<PlacementRequest, 'actionKey' | 'namespace'>, nowMs: number): number {
    return this.instances.answerMs(instanceKey(actionKey, namespace), nowMs);
  }

  /** How an action's instances serve while they are busy, as far as statuses tell. */
  service({ actionKey, namespace }: Pick<PlacementRequest, 'actionKey' | 'namespace'>): Service | undefined {
    return this.instances.service(instanceKey(actionKey, namespace));
  }

  /** A controller's probe goes to the shortest queue: it asks whether anything works, not what is warm. */
  placeProbe(nowMs: number): Placement {
    const invokers = this.#fleet.usable('any', nowMs);
    const invoker = chooseShortestQueue(invokers, ({ inFlight }) => inFlight < this.#rules.inFlightMax);
    if (invoker !== undefined) return this.#placed('queued', invoker, 0, { release: () => undefined });
    return { outcome: invokers.length === 0 ? 'absent' : 'saturated' };
  }

  /** Tetris kinds to tetris invokers, all others to stock ones, each with the other flavour as a way out. */
  #poolFor(kind: string | undefined, nowMs: number): 'tetris' | 'stock' | 'absent' | 'unserved' {
    const tetris = this.#fleet.usable('tetris', nowMs).length > 0;
    const stock = this.#fleet.usable('stock', nowMs).length > 0;
    if (!tetris && !stock) return 'absent';
    if (kind !== undefined && this.#rules.tetrisKinds.includes(kind)) return tetris ? 'tetris' : 'stock';
    if (stock) return 'stock';
    return kind === undefined || this.#rules.plainKinds.some((plain) => matchesKind(plain, kind))
      ? 'tetris'
      : 'unserved';
  }

  #nearTensors(request: PlacementRequest, key: string, nowMs: number): Placement | undefined {
    const { inFlightMax, queuedShare } = this.#rules;
    const { dueMs = Number.POSITIVE_INFINITY, crowded = false } = request;
    const usable = (invoker: Invoker): boolean =>
      this.#fleet.isUsable(invoker, nowMs) &&
      invoker.inFlight < inFlightMax &&
      this.instances.takes(invoker, key, { dueMs, crowded }, nowMs);
    const warm = this.instances.roomiest(key, usable);
    const take = (invoker: Invoker): Booking => this.instances.take(invoker, key, { dueMs, crowded }, nowMs);
    if (warm !== undefined) return this.#placed('warm', warm, 1, take(warm));
    // Memory alone starts no instance: what is sent for one is a part of the window like what waits for a place. Behind
    // others only where it is in time: whom it would make late overtakes it here, but not there.
    const all = this.#fleet.usable('tetris', nowMs);
    const open = this.instances.open(all, key, queuedShare * inFlightMax);
    const invokers = this.instances.inTime(open, key, crowded ? Number.NEGATIVE_INFINITY : dueMs, nowMs);
    const demand = this.#similarity.demand(request.actionKey);
    const home = all[homeHash(request.namespace, request.action) % all.length];
    const choice =
      demand === undefined
        ? chooseHome(invokers, home, request.memoryBytes, inFlightMax)
        : chooseSimilar(invokers, demand, this.#arriving.bytesOf(demand.set, nowMs), inFlightMax);
    if (choice !== undefined) {
      const { invoker, theta, addedBytes } = choice;
      this.instances.starting(invoker, key, request.concurrency, addedBytes, nowMs);
      if (demand !== undefined && invoker.nodeIndex !== undefined) {
        this.#arriving.expect(invoker.nodeIndex, demand.set, nowMs);
      }
      return this.#placed(demand === undefined ? 'home' : 'similar', invoker, theta, take(invoker));
    }
    const queued = chooseShortestQueue(invokers, ({ inFlight }) => inFlight < inFlightMax);
    return queued === undefined ? undefined : this.#placed('queued', queued, 0, take(queued));
  }

  #walk(request: PlacementRequest, key: string, nowMs: number): Placement | undefined {
    const { concurrency, memoryBytes, kind } = request;
    // Containers of one shape share their slots; where limits could not be read, those assumed make another shape.
    const shape = `${key} ${concurrency} ${memoryBytes}`;
    const walk = { ...request, key: shape, blackbox: kind === BLACKBOX };
    const options = { ...this.#rules, random: this.#random };
    const invoker = walkHome(this.#fleet.stock(), this.#fleet.usable('stock', nowMs), walk, options);
    return invoker === undefined ? undefined : this.#placed('walk', invoker, 0, { release: claim(invoker, walk) });
  }

  #placed(
    outcome: PlacementOutcome,
    invoker: Invoker,
    theta: number,
    booking: Pick<Booking, 'release'> & Partial<Booking>,
  ): Placement {
    invoker.inFlight += 1;
    const release = (answeredMs?: number): void => {
      invoker.inFlight -= 1;
      booking.release(answeredMs);
    };
    return { ...booking, outcome, invoker, theta, release };
  }
}

const BLACKBOX = 'blackbox';

/** @param pattern a trailing * matches any ending */
export function matchesKind(pattern: string, kind: string): boolean {
  return pattern.endsWith('*') ? kind.startsWith(pattern.slice(0, -1)) : pattern === kind;
}
