/**
 * Activations for which every invoker is taken wait here: the higher priority first, then what is due first, then in order.
 * The number of those that wait is bounded, and whoever would wait past its deadline, at the pace at which others get on,
 * is told at once. Whoever has no objective is due when its wait ends, so no stream of urgent ones holds it back for longer.
 *
 * Where more comes than gets on, that order would bring each to its invoker when its time is just over. So an objective that
 * is lost is none any more, and while there are such, the newest goes first of those with the same objective.
 */
import { Pace } from './pace';

/** How a wait ended. `expired`: too long; `hopeless`: it would be too long; `full`: no place to wait in. */
export type WaitOutcome = 'placed' | 'expired' | 'hopeless' | 'full';

export interface WaitRequest {
  /** Activations of one room wait for the same invokers, so that its head speaks for all of it. */
  room: string;
  /** Higher goes first. */
  priority: number;
  /** Epoch ms at which its answer is due. Among equals the earlier goes first; nothing else follows from it. */
  dueMs: number;
  /** Epoch ms at which its objective is lost, if it still waits. Infinity where it has none. */
  lostMs: number;
  /** Epoch ms until which it may wait. */
  untilMs: number;
  /** Tries again; true when the wait is over. */
  attempt: () => boolean;
}

interface Waiting extends WaitRequest {
  wake: (outcome: WaitOutcome) => void;
}

interface Room {
  waiting: Waiting[];
  pace: Pace;
}

export class WaitingRoom {
  readonly #rooms = new Map<string, Room>();
  readonly #waitingMax: number;
  #size = 0;

  /** @param waitingMax activations that may wait in all rooms together */
  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  get size(): number {
    return this.#size;
  }

  async wait(request: WaitRequest, nowMs: number): Promise<WaitOutcome> {
    const { room: name, priority, dueMs, untilMs } = request;
    const room = this.#rooms.get(name) ?? { waiting: [], pace: new Pace(nowMs) };
    const comesAfter = (other: Waiting): boolean =>
      other.priority < priority || (other.priority === priority && other.dueMs > dueMs);
    const after = room.waiting.findIndex(comesAfter);
    const place = after === -1 ? room.waiting.length : after;
    if (nowMs + room.pace.expectedMs(place + 1) > untilMs) return 'hopeless';
    if (this.#size >= this.#waitingMax && !this.#makePlaceFor(priority)) return 'full';
    return new Promise((wake) => {
      this.#rooms.set(name, room);
      room.waiting.splice(place, 0, { ...request, wake });
      this.#size += 1;
    });
  }

  /** Someone may have got room: each room's head tries, then the next one. */
  retry(nowMs: number): void {
    for (const [name, room] of this.#rooms) {
      let placed = 0;
      for (let next = nextOf(room.waiting, nowMs); next?.attempt() === true; next = nextOf(room.waiting, nowMs)) {
        placed += 1;
        this.#leave(name, [next], 'placed');
      }
      room.pace.left(placed, nowMs);
    }
  }

  /** Sends away those whose time is up. */
  expire(nowMs: number): void {
    for (const [name, { waiting }] of this.#rooms) {
      const late = waiting.filter(({ untilMs }) => untilMs <= nowMs);
      this.#leave(name, late, 'expired');
    }
  }

  /** The last of the lowest priority gives way to a higher one. */
  #makePlaceFor(priority: number): boolean {
    const last = [...this.#rooms].flatMap(([name, { waiting }]) => waiting.slice(-1).map((one) => ({ name, one })));
    const [lowest] = last.sort((left, right) => left.one.priority - right.one.priority);
    if (lowest === undefined || lowest.one.priority >= priority) return false;
    this.#leave(lowest.name, [lowest.one], 'full');
    return true;
  }

  #leave(name: string, leaving: readonly Waiting[], outcome: WaitOutcome): void {
    const room = this.#rooms.get(name);
    if (room === undefined || leaving.length === 0) return;
    const gone = new Set(leaving);
    room.waiting = room.waiting.filter((one) => !gone.has(one));
    this.#size -= leaving.length;
    if (room.waiting.length === 0) this.#rooms.delete(name);
    for (const { wake } of leaving) wake(outcome);
  }
}

/** Who goes next. @param waiting by priority, then by when they are due */
function nextOf(waiting: readonly Waiting[], nowMs: number): Waiting | undefined {
  const [first] = waiting;
  const equals = waiting.filter(({ priority }) => priority === first?.priority);
  if (!equals.some(({ lostMs }) => lostMs <= nowMs)) return first;
  const isUrgent = ({ lostMs }: Waiting): boolean => lostMs > nowMs && lostMs < Infinity;
  const patient = equals.filter((one) => !isUrgent(one));
  const soonest = patient.reduce((best, one) => (one.untilMs < best.untilMs ? one : best), patient[0] as Waiting);
  const urgent = equals.find(isUrgent);
  if (urgent === undefined || urgent.dueMs >= soonest.untilMs) return soonest;
  // Those of a longer objective have more time left because of it, not because they are new.
  const leftMs = ({ dueMs, lostMs }: Waiting): number => dueMs - lostMs;
  return equals.findLast((one) => isUrgent(one) && leftMs(one) === leftMs(urgent));
}
