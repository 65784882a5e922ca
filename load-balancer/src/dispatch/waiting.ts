/**
 * Activations for which every invoker is taken wait here, in a queue for each action and invoking namespace. Pure but
 * for waking.
 *
 * The queues share what gets free by the work that they ask for (start-time fair queueing, Goyal et al., 1996): each
 * has a virtual time, which goes on by the expected duration of what it was given over its weight, and the one that is
 * furthest behind goes next. So one action at a hundred times its share fills its own queue and delays another by one
 * of its activations at most. A higher priority goes before all that. Within a queue goes first what is due first;
 * where that would bring each to its invoker when its time is just over, the newest does (decision 0018).
 *
 * How many wait is bounded. Beyond that the longest queue gives way, and whoever would wait past its deadline, at the
 * pace at which others get on, is told at once.
 */
import { Pace } from './pace';

/** How a wait ended. `expired`: too long; `hopeless`: it would be too long; `full`: no place to wait in. */
export type WaitOutcome = 'placed' | 'expired' | 'hopeless' | 'full';

export interface WaitRequest {
  /** Activations of one room wait for the same invokers. */
  room: string;
  /** Activations of one queue wait for the same instances, so that its head speaks for all of it. */
  queue: string;
  /** Expected work of it, ms, above 0. */
  costMs: number;
  /** Share of its queue in relation to others, above 0. */
  weight: number;
  /** Higher goes first. */
  priority: number;
  /** Epoch ms at which its answer is due. Within its queue the earlier goes first; nothing else follows from it. */
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

interface Queue {
  name: string;
  /** By when they are due. */
  waiting: Waiting[];
  /** Of its newest, for an action has one. */
  priority: number;
  virtualMs: number;
}

interface Room {
  queues: Map<string, Queue>;
  /** Virtual time of what was served last: who comes back after a pause has saved nothing up. */
  virtualMs: number;
  /** Of queues that have emptied, where these are ahead of the room; forgotten once the room has caught up. */
  ahead: Map<string, number>;
  pace: Pace;
}

/**
 * Queues that are tried beside that of an activation which has ended. An end changes little for others; memory and
 * windows, which they wait for, are looked at for all of them once a second.
 */
const TRIED_MAX = 8;

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

  /** Whether somebody of this queue waits. */
  has(queue: string): boolean {
    for (const { queues } of this.#rooms.values()) if (queues.has(queue)) return true;
    return false;
  }

  async wait(request: WaitRequest, nowMs: number): Promise<WaitOutcome> {
    const room = this.#room(request.room, nowMs);
    const queue = queueOf(room, request);
    const after = queue.waiting.findIndex(({ dueMs }) => dueMs > request.dueMs);
    const place = after === -1 ? queue.waiting.length : after;
    if (nowMs + room.pace.expectedMs(position(room, queue, place)) > request.untilMs) return 'hopeless';
    if (this.#size >= this.#waitingMax && !this.#makePlaceFor(queue)) return 'full';
    return new Promise((wake) => {
      this.#rooms.set(request.room, room);
      room.queues.set(queue.name, queue);
      queue.waiting.splice(place, 0, { ...request, wake });
      this.#size += 1;
    });
  }

  /**
   * Someone may have got room: each queue's head tries, then the next one.
   * @param freed queue of an activation that has ended: it is tried, and few others. Undefined: all are tried
   */
  retry(nowMs: number, freed?: string): void {
    for (const room of this.#rooms.values()) {
      const triesMax = freed === undefined ? Number.POSITIVE_INFINITY : TRIED_MAX;
      let placed = this.#serve(room, [...room.queues.values()], triesMax, nowMs);
      // A place in a window is whose turn it is; one in an instance is of use to its own queue alone, so that is tried
      // in any case, but last: first, it would keep for ever what it has once taken.
      const own = freed === undefined ? undefined : room.queues.get(freed);
      if (own !== undefined) placed += this.#serve(room, [own], 1, nowMs);
      room.pace.left(placed, nowMs);
      for (const [name, virtualMs] of room.ahead) if (virtualMs <= room.virtualMs) room.ahead.delete(name);
    }
    this.#forgetEmpty();
  }

  /** Sends away those whose time is up. */
  expire(nowMs: number): void {
    for (const room of this.#rooms.values()) {
      for (const queue of [...room.queues.values()]) {
        for (const late of queue.waiting.filter(({ untilMs }) => untilMs <= nowMs)) {
          this.#leave(room, queue, late, 'expired');
        }
      }
    }
    this.#forgetEmpty();
  }

  /** Serves these queues until so many of them have found nothing. @returns activations that were placed */
  #serve(room: Room, queues: Queue[], triesMax: number, nowMs: number): number {
    let placed = 0;
    let tries = 0;
    const open = queues.sort(inTurn);
    for (let [queue] = open; queue !== undefined && tries < triesMax; [queue] = open) {
      const next = nextOf(queue.waiting, nowMs);
      if (next?.attempt() !== true) {
        tries += 1;
        open.shift();
        continue;
      }
      placed += 1;
      room.virtualMs = Math.max(room.virtualMs, queue.virtualMs);
      queue.virtualMs += next.costMs / next.weight;
      this.#leave(room, queue, next, 'placed');
      if (queue.waiting.length === 0) open.shift();
      else open.sort(inTurn);
    }
    return placed;
  }

  #room(name: string, nowMs: number): Room {
    return this.#rooms.get(name) ?? { queues: new Map(), virtualMs: 0, ahead: new Map(), pace: new Pace(nowMs) };
  }

  /** The last of the longest queue of the lowest priority gives way, where that is not the newcomer's own. */
  #makePlaceFor(newcomer: Queue): boolean {
    const all = [...this.#rooms.values()].flatMap((room) =>
      [...room.queues.values()].map((queue) => ({ room, queue })),
    );
    const [longest] = all.sort(
      (one, other) =>
        one.queue.priority - other.queue.priority || other.queue.waiting.length - one.queue.waiting.length,
    );
    if (longest === undefined || longest.queue.priority > newcomer.priority) return false;
    const isLonger = longest.queue.waiting.length > newcomer.waiting.length + 1;
    if (longest.queue.priority === newcomer.priority && !isLonger) return false;
    const last = longest.queue.waiting.at(-1);
    if (last === undefined) return false;
    this.#leave(longest.room, longest.queue, last, 'full');
    return true;
  }

  #leave(room: Room, queue: Queue, leaving: Waiting, outcome: WaitOutcome): void {
    queue.waiting.splice(queue.waiting.indexOf(leaving), 1);
    this.#size -= 1;
    if (queue.waiting.length === 0) {
      room.queues.delete(queue.name);
      room.ahead.set(queue.name, queue.virtualMs);
    }
    leaving.wake(outcome);
  }

  /** A room is as old as its queues: the pace of an empty one says nothing. */
  #forgetEmpty(): void {
    for (const [name, { queues }] of this.#rooms) if (queues.size === 0) this.#rooms.delete(name);
  }
}

function queueOf(room: Room, { queue: name, priority }: WaitRequest): Queue {
  const known = room.queues.get(name);
  if (known !== undefined) return Object.assign(known, { priority });
  return { name, waiting: [], priority, virtualMs: Math.max(room.virtualMs, room.ahead.get(name) ?? 0) };
}

function inTurn(one: Queue, other: Queue): number {
  return other.priority - one.priority || one.virtualMs - other.virtualMs;
}

/**
 * How many get on before one at this place of its queue has: it and those before it, and as many of each queue beside.
 */
function position({ queues }: Room, own: Queue, place: number): number {
  let before = place + 1;
  for (const other of queues.values()) {
    if (other === own || other.priority < own.priority) continue;
    before += other.priority > own.priority ? other.waiting.length : Math.min(other.waiting.length, place + 1);
  }
  return before;
}

/** Who of a queue goes next. @param waiting by when they are due */
function nextOf(waiting: readonly Waiting[], nowMs: number): Waiting | undefined {
  const [first] = waiting;
  if (!waiting.some(({ lostMs }) => lostMs <= nowMs)) return first;
  const soonest = waiting
    .filter(({ lostMs }) => lostMs <= nowMs)
    .reduce<Waiting | undefined>(
      (best, one) => (best === undefined || one.untilMs < best.untilMs ? one : best),
      undefined,
    );
  const newest = waiting.findLast(({ lostMs }) => lostMs > nowMs);
  // Nobody is held back past the end of its wait by a stream of newer ones.
  if (newest === undefined || (soonest !== undefined && newest.dueMs >= soonest.untilMs)) return soonest;
  return newest;
}
