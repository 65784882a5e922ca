/**
 * Activations for which every invoker is taken wait here, in a queue for each action and invoking namespace. Pure but
 * for waking.
 *
 * The queues share what gets free by the work that they ask for (start-time fair queueing, Goyal et al., 1996): each
 * has a virtual time, which goes on by the expected duration of what it was given over its weight, and the one that is
 * furthest behind goes next. So one action at a hundred times its share fills its own queue and delays another by one
 * of its activations at most. A higher priority goes before all that. Within a queue the order is that of a
 * {@link WaitingLine}, as at the invokers.
 *
 * How many wait is bounded. Beyond that the longest queue gives way, and whoever would wait past its deadline, at the
 * pace at which others get on, is told at once. Who is late waits in a line of its queue that is bounded, too: the
 * oldest of it gives way, so that what an overload leaves behind is soon over (decision 0028).
 */
import { givesWay, type Waiting, WaitingLine } from '@tetris/common';
import type { Service } from '../placement/instances';
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
  /** Epoch ms at which its answer is due. */
  dueMs: number;
  /** Epoch ms until which it may wait. */
  untilMs: number;
  /** When an answer can be there at the earliest, epoch ms: who is due before that is late. */
  answerMs: (nowMs: number) => number;
  /** How its instances serve; undefined where that is not known. */
  service: () => Service | undefined;
  /**
   * Tries again; true when the wait is over.
   * @param crowded somebody of its queue is late: more comes than can be served
   */
  attempt: (crowded: boolean) => boolean;
}

interface Ticket extends WaitRequest {
  wake: (outcome: WaitOutcome) => void;
}

interface Queue {
  name: string;
  room: Room;
  line: WaitingLine<Ticket>;
  /** Of its newest, for an action has one. */
  priority: number;
  /** Of its newest, as {@link service}. */
  answerMs: (nowMs: number) => number;
  service: () => Service | undefined;
  virtualMs: number;
  readonly length: number;
}

interface Room {
  queues: Map<string, Queue>;
  /** Virtual time of what was served last: who comes back after a pause has saved nothing up. */
  virtualMs: number;
  /** Of queues that have emptied, where these are ahead of the room; forgotten once the room has caught up. */
  ahead: Map<string, number>;
  pace: Pace;
}

export interface WaitingBounds {
  /** Activations that may wait in all rooms together. */
  waitingMax: number;
  /** Of one queue, that may wait although they are late. */
  lateWaitingMax: number;
  /**
   * Queues that are tried beside that of an activation which has ended. An end changes little for others; memory and
   * windows, which they wait for, are looked at for all of them once a second.
   */
  queuesTriedMax: number;
}

export class WaitingRoom {
  readonly #rooms = new Map<string, Room>();
  readonly #bounds: WaitingBounds;
  #size = 0;

  constructor(bounds: WaitingBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether somebody of this queue waits. */
  has(queue: string): boolean {
    return this.#queue(queue) !== undefined;
  }

  /**
   * Whether one more of this queue would only make another one late: somebody is late already, and those that go first,
   * the newest first, when the next places get free are as many as are executed at once: they are in time still, or
   * have come since as many were served.
   */
  isSurplus(queue: string, nowMs: number): boolean {
    const known = this.#queue(queue);
    const service = known?.service();
    if (known === undefined || service === undefined) return false;
    const answerMs = known.answerMs(nowMs);
    if (!known.line.hasLate(answerMs)) return false;
    const servedSinceMs = nowMs - (1000 * service.atOnce) / service.perSecond;
    return Math.max(known.line.timely(answerMs), known.line.cameAfter(servedSinceMs)) >= service.atOnce;
  }

  /** It is tried at once where it goes before those that wait already. */
  wait(request: WaitRequest, nowMs: number): Promise<WaitOutcome> {
    const room = this.#room(request.room, nowMs);
    const queue = queueOf(room, request);
    const hadQueue = queue.length > 0;
    if (nowMs + room.pace.expectedMs(position(room, queue, request, nowMs)) > request.untilMs) {
      return Promise.resolve('hopeless');
    }
    return new Promise((wake) => {
      this.#rooms.set(request.room, room);
      room.queues.set(queue.name, queue);
      queue.line.push({ ticket: { ...request, wake }, sinceMs: nowMs, dueMs: request.dueMs });
      this.#size += 1;
      if (hadQueue) room.pace.left(this.#serve(room, [queue], 1, nowMs), nowMs);
      this.#refuseLate(queue, nowMs);
      if (this.#size > this.#bounds.waitingMax) this.#refuseOne(queue, nowMs);
      this.#forgetEmpty();
    });
  }

  /**
   * Someone may have got room: each queue's head tries, then the next one.
   * @param freed queue of an activation that has ended: it is tried, and few others. Undefined: all are tried
   */
  retry(nowMs: number, freed?: string): void {
    for (const room of this.#rooms.values()) {
      const triesMax = freed === undefined ? Number.POSITIVE_INFINITY : this.#bounds.queuesTriedMax;
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
        for (const late of queue.line.remove(({ untilMs }) => untilMs <= nowMs)) this.#left(queue, late, 'expired');
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
      const answerMs = queue.answerMs(nowMs);
      const next = queue.line.next(answerMs)?.ticket;
      if (next?.attempt(queue.line.hasLate(answerMs)) !== true) {
        tries += 1;
        open.shift();
        continue;
      }
      placed += 1;
      room.virtualMs = Math.max(room.virtualMs, queue.virtualMs);
      queue.virtualMs += next.costMs / next.weight;
      this.#left(queue, queue.line.take(answerMs), 'placed');
      if (queue.length === 0) open.shift();
      else open.sort(inTurn);
    }
    return placed;
  }

  #room(name: string, nowMs: number): Room {
    return this.#rooms.get(name) ?? { queues: new Map(), virtualMs: 0, ahead: new Map(), pace: new Pace(nowMs) };
  }

  #queue(name: string): Queue | undefined {
    for (const { queues } of this.#rooms.values()) {
      const queue = queues.get(name);
      if (queue !== undefined) return queue;
    }
    return undefined;
  }

  /** Too many of a queue are late: those give way that are due for longest. */
  #refuseLate(queue: Queue, nowMs: number): void {
    const answerMs = queue.answerMs(nowMs);
    const late = queue.length - queue.line.timely(answerMs);
    for (let over = late - this.#bounds.lateWaitingMax; over > 0; over -= 1) {
      this.#left(queue, queue.line.takeLast(answerMs), 'full');
    }
  }

  /** Too many wait: one of the longest queue of the lowest priority gives way. */
  #refuseOne(newcomers: Queue, nowMs: number): void {
    const all = [...this.#rooms.values()].flatMap((room) => [...room.queues.values()]);
    const queue = givesWay(all, newcomers);
    this.#left(queue, queue.line.takeLast(queue.answerMs(nowMs)), 'full');
  }

  /** It has been taken out of its line. */
  #left(queue: Queue, waiting: Waiting<Ticket> | undefined, outcome: WaitOutcome): void {
    if (waiting === undefined) return;
    this.#size -= 1;
    if (queue.length === 0) {
      queue.room.queues.delete(queue.name);
      queue.room.ahead.set(queue.name, queue.virtualMs);
    }
    waiting.ticket.wake(outcome);
  }

  /** A room is as old as its queues: the pace of an empty one says nothing. */
  #forgetEmpty(): void {
    for (const [name, { queues }] of this.#rooms) if (queues.size === 0) this.#rooms.delete(name);
  }
}

function queueOf(room: Room, { queue: name, priority, answerMs, service }: WaitRequest): Queue {
  const known = room.queues.get(name);
  if (known !== undefined) return Object.assign(known, { priority, answerMs, service });
  const virtualMs = Math.max(room.virtualMs, room.ahead.get(name) ?? 0);
  const line = new WaitingLine<Ticket>();
  return {
    name,
    room,
    line,
    priority,
    answerMs,
    service,
    virtualMs,
    get length() {
      return line.length;
    },
  };
}

function inTurn(one: Queue, other: Queue): number {
  return other.priority - one.priority || one.virtualMs - other.virtualMs;
}

/** How many get on before the newcomer has: it and those before it, and as many of each queue beside. */
function position({ queues }: Room, own: Queue, { dueMs }: WaitRequest, nowMs: number): number {
  const place = own.line.before(dueMs, own.answerMs(nowMs)) + 1;
  let before = place;
  for (const other of queues.values()) {
    if (other === own || other.priority < own.priority) continue;
    before += other.priority > own.priority ? other.length : Math.min(other.length, place);
  }
  return before;
}
