/**
 * Stem cells: containers that wait, started but not initialised, for the first action of their kind and memory.
 * Pure bookkeeping: whoever owns it starts what is {@link StemCells.missing} and tells what became of it.
 *
 * A stem cell's container has its token from the start, so an instance made from one takes over the cell's token; its
 * namespace is announced to the daemon when it is taken. Source: OpenWhisk's manifest, `stemCells`.
 */
import { parseBytes, PluginError } from '@tetris/common';

/** So many containers of this kind with exactly this memory limit. */
export interface StemCellPlan {
  kind: string;
  memoryBytes: number;
  count: number;
}

/** What a stem cell is asked for by. */
export type StemCellKind = Omit<StemCellPlan, 'count'>;

interface Stock<Cell> extends StemCellPlan {
  ready: Cell[];
  starting: number;
  /** Kept because instances of this kind and memory have started, not planned by the operator. */
  seen: boolean;
}

/** Reads plans such as `nodejs:tetris@256m=2`. @throws PluginError `ERR_CONFIG_INVALID` that names the entry */
export function parseStemCells(entries: readonly string[]): StemCellPlan[] {
  return entries.map((entry) => {
    const [, kind = '', memory = '', count = ''] = /^([^@]+)@([^=]+)=(\d+)$/.exec(entry) ?? [];
    const memoryBytes = parseBytes(memory);
    if (kind !== '' && memoryBytes !== undefined && Number(count) > 0)
      return { kind, memoryBytes, count: Number(count) };
    throw new PluginError('ERR_CONFIG_INVALID', `stem cells '${entry}' are not of the form kind@memory=count`);
  });
}

/** @typeParam Cell what the owner keeps for a waiting container */
export class StemCells<Cell> {
  /** Of the seen ones, the latest comes last. */
  #stocks: Stock<Cell>[];
  readonly #seenBytesMax: number;
  readonly #heldBytes: (cell: Cell) => number | undefined;

  /**
   * @param seenBytesMax memory limits together of the cells that are kept for what was seen
   * @param heldBytes what a waiting cell holds; undefined where it is not known yet
   * @throws RangeError for a plan that names a kind and memory twice, or a count that is no positive integer
   */
  constructor(
    plans: readonly StemCellPlan[],
    seenBytesMax = 0,
    heldBytes: (cell: Cell) => number | undefined = () => undefined,
  ) {
    this.#seenBytesMax = seenBytesMax;
    this.#heldBytes = heldBytes;
    this.#stocks = plans.map((plan) => ({ ...plan, ready: [], starting: 0, seen: false }));
    for (const { kind, memoryBytes, count } of plans) {
      const what = `stem cells of kind '${kind}' with ${memoryBytes} bytes`;
      if (!Number.isSafeInteger(count) || count < 1) throw new RangeError(`${what}: count ${count} must be at least 1`);
      if (plans.filter((other) => other.kind === kind && other.memoryBytes === memoryBytes).length > 1) {
        throw new RangeError(`${what} are planned twice`);
      }
    }
  }

  /**
   * An instance of this kind and memory starts: from now on one cell is kept for the next, as long as there is room
   * for it beside those that were seen later.
   * @returns waiting cells that nobody takes any more, to be ended
   */
  seen({ kind, memoryBytes }: StemCellKind): Cell[] {
    const known = this.#stock({ kind, memoryBytes });
    if (known?.seen === false) return [];
    const latest = known ?? { kind, memoryBytes, count: 1, ready: [], starting: 0, seen: true };
    let bytes = 0;
    const kept = new Set<Stock<Cell>>();
    for (const stock of [...this.#stocks.filter((other) => other !== latest), latest].reverse()) {
      if (stock.seen) bytes += stock.memoryBytes;
      if (!stock.seen || bytes <= this.#seenBytesMax) kept.add(stock);
    }
    const before = this.#stocks;
    this.#stocks = [...kept].reverse();
    return before.filter((stock) => !kept.has(stock)).flatMap(({ ready }) => ready);
  }

  /** Containers to start now, one entry each; they count as starting from here on. */
  missing(): StemCellKind[] {
    return this.#stocks.flatMap((stock) => {
      const wanted = stock.count - stock.ready.length - stock.starting;
      stock.starting += wanted;
      return Array.from({ length: wanted }, () => ({ kind: stock.kind, memoryBytes: stock.memoryBytes }));
    });
  }

  /** One of the missing ones runs. @returns false where nobody takes it any more: it is to be ended */
  started(of: StemCellKind, cell: Cell): boolean {
    const stock = this.#stock(of);
    if (stock === undefined || stock.starting === 0) return false;
    stock.starting -= 1;
    stock.ready.push(cell);
    return true;
  }

  /** One of the missing ones could not be started; the next {@link StemCells.missing} names it again. */
  failed(of: StemCellKind): void {
    const stock = this.#stock(of);
    if (stock !== undefined) stock.starting = Math.max(0, stock.starting - 1);
  }

  /** The cell that has waited longest, which is the caller's from now on; undefined where none fits. */
  take(of: StemCellKind): Cell | undefined {
    return this.#stock(of)?.ready.shift();
  }

  /** A waiting cell's container has ended. Unknown and taken cells are ignored. */
  lost(cell: Cell): void {
    for (const { ready } of this.#stocks) {
      const at = ready.indexOf(cell);
      if (at >= 0) ready.splice(at, 1);
    }
  }

  /** Bytes of memory that cells are counted with: what waiting ones hold; their limit, until that is known. */
  get reservedBytes(): number {
    return this.#stocks.reduce(
      (sum, { memoryBytes, ready, starting }) =>
        ready.reduce(
          (held, cell) => held + Math.min(memoryBytes, this.#heldBytes(cell) ?? memoryBytes),
          sum + memoryBytes * starting,
        ),
      0,
    );
  }

  #stock({ kind, memoryBytes }: StemCellKind): Stock<Cell> | undefined {
    return this.#stocks.find((stock) => stock.kind === kind && stock.memoryBytes === memoryBytes);
  }
}
