/** Simulated time: what happens next, in order. Whoever takes part asks to be called at a time. */
export interface Event {
  atMs: number;
  run: () => void;
}

interface Scheduled extends Event {
  /** Events of one time happen in the order in which they were asked for. */
  order: number;
}

const precedes = (one: Scheduled, other: Scheduled): boolean =>
  one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);

export class Events {
  nowMs = 0;
  /** Promises of simulated parts are to settle before time goes on; see {@link settling}. */
  #settling = false;
  #order = 0;
  /** A binary heap, the next one first. */
  readonly #heap: Scheduled[] = [];

  at(atMs: number, run: () => void): void {
    this.#order += 1;
    this.#push({ atMs: Math.max(atMs, this.nowMs), run, order: this.#order });
  }

  after(ms: number, run: () => void): void {
    this.at(this.nowMs + ms, run);
  }

  /** From `fromMs` on, for as long as the simulation runs. */
  every(periodMs: number, run: () => void, fromMs = periodMs): void {
    this.at(fromMs, () => {
      run();
      this.every(periodMs, run, this.nowMs + periodMs);
    });
  }

  /** Something that goes on by promises was set going: time stands still until all that can settle has. */
  settling(): void {
    this.#settling = true;
  }

  /** Lets time pass until then. */
  async run(untilMs: number): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      this.nowMs = next.atMs;
      next.run();
      if (!this.#settling) continue;
      this.#settling = false;
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.nowMs = untilMs;
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Scheduled;
      if (!precedes(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Scheduled;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && precedes(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child += 1;
      const below = heap[child] as Scheduled;
      if (!precedes(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}
