/**
 * The processors of one node, shared as an operating system shares them: every thread at work gets as much as any other,
 * and a neighbour's threads count like ours.
 */
import type { Events } from './events';

interface Task {
  /** Progress of the node (see `#progressMs`) at which it is done. */
  doneAtMs: number;
  threads: number;
  done: () => void;
}

export class Processors {
  readonly #events: Events;
  readonly count: number;
  #tasks: Task[] = [];
  #threads = 0;
  #neighbour = 0;
  /** What a thread that was at work all the time would have done by now, ms. */
  #progressMs = 0;
  #sinceMs = 0;
  /** Counts changes: what was scheduled before the last one is void. */
  #version = 0;

  constructor(events: Events, count: number) {
    this.#events = events;
    this.count = count;
  }

  /** Threads of ours at work. */
  get threads(): number {
    return this.#threads;
  }

  /** How much of a processor each thread has, 0..1. */
  get speed(): number {
    return Math.min(1, this.count / Math.max(1, this.#threads + this.#neighbour));
  }

  /** Something else on the machine keeps so many threads busy from now on. */
  set neighbour(threads: number) {
    this.#advance();
    this.#neighbour = threads;
    this.#schedule();
  }

  /** Works for so long as it takes alone, on each of the threads. */
  run(workMs: number, threads: number, done: () => void): void {
    this.#advance();
    const task = { doneAtMs: this.#progressMs + workMs, threads, done };
    const after = this.#tasks.findIndex(({ doneAtMs }) => doneAtMs > task.doneAtMs);
    this.#tasks.splice(after === -1 ? this.#tasks.length : after, 0, task);
    this.#threads += threads;
    this.#schedule();
  }

  #advance(): void {
    this.#progressMs += (this.#events.nowMs - this.#sinceMs) * this.speed;
    this.#sinceMs = this.#events.nowMs;
  }

  #schedule(): void {
    this.#version += 1;
    const version = this.#version;
    const [first] = this.#tasks;
    if (first === undefined) return;
    this.#events.after(Math.max(0, first.doneAtMs - this.#progressMs) / this.speed, () => {
      if (version === this.#version) this.#finish(first);
    });
  }

  #finish(task: Task): void {
    this.#advance();
    this.#tasks.shift();
    this.#threads -= task.threads;
    this.#schedule();
    task.done();
  }
}
