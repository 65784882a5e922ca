/** Starts the containers that stem cells are, hands them out, and gives their memory back when somebody wants it. */
import { type Backoff, errorMessage, type Logger, pauseMs, TETRIS_KIND } from '@tetris/common';
import type { Container, ContainerFactory } from '../sandboxes/container';
import type { Registrar } from './registrar';
import { type StemCellKind, type StemCellPlan, StemCells } from './stem-cells';

/** A container that runs and has not been initialised, with its token at the daemon. */
export interface StemCell {
  token: string;
  container: Container;
}

export interface StemCellKeeperOptions {
  plans: readonly StemCellPlan[];
  /** Memory limits together of the cells that are kept for what {@link StemCellKeeper.take} was asked for. */
  seenBytesMax: number;
  factory: ContainerFactory;
  registrar: Registrar;
  /** Environment of the containers, the same that instances get. */
  env: Readonly<Record<string, string>>;
  /** A cell is being started. */
  onStart?: () => void;
  log: Logger;
  /** Epoch ms. @default Date.now */
  now?: () => number;
}

/** Pauses after cells that did not start: what keeps one from it keeps others too. */
const REST: Backoff = { firstMs: 1_000, maxMs: 60_000 };

/** The daemon's name for a namespace that is not known yet. */
const NO_NAMESPACE = '_';

export class StemCellKeeper {
  readonly #options: StemCellKeeperOptions;
  readonly #cells: StemCells<StemCell>;
  readonly #waiting = new Set<StemCell>();
  readonly #heldBytes = new WeakMap<StemCell, number>();
  readonly #now: () => number;
  #nextId = 1;
  #stopped = false;
  /** Starts in a row that have failed, and until when nothing is started for that, epoch ms. */
  #failures = 0;
  #restUntilMs = 0;

  /** @throws RangeError for plans that cannot be kept */
  constructor(options: StemCellKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#cells = new StemCells(options.plans, options.seenBytesMax, (cell) => this.#heldBytes.get(cell));
  }

  /** Cells ready to be taken. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Memory that waiting and starting cells are counted with. */
  get reservedBytes(): number {
    return this.#cells.reservedBytes;
  }

  /** Measures the waiting cells, for {@link reservedBytes}. */
  async measure(): Promise<void> {
    for (const cell of this.#waiting) {
      const bytes = await cell.container.privateBytes();
      if (bytes !== undefined) this.#heldBytes.set(cell, bytes);
    }
  }

  /**
   * Starts what is missing, after a rest where starts have failed.
   * @param fits whether so much more memory may be used, cells already asked for included
   */
  refill(fits: (bytes: number) => boolean): void {
    if (this.#stopped || this.#now() < this.#restUntilMs) return;
    let bytes = 0;
    for (const kind of this.#cells.missing()) {
      bytes += kind.memoryBytes;
      if (fits(bytes)) void this.#start(kind);
      else this.#cells.failed(kind);
    }
  }

  /**
   * A cell of exactly this kind and memory for an instance that starts; it is the caller's from now on. Starts tell which
   * cells are kept beside the planned ones, not activations: where the bytes are not enough for all, activations that
   * come in turns would each end a cell that another one had started.
   */
  take(kind: StemCellKind): StemCell | undefined {
    const cell = this.#cells.take(kind);
    if (cell !== undefined) this.#waiting.delete(cell);
    const unwanted = kind.kind === TETRIS_KIND ? this.#cells.seen(kind) : [];
    for (const { container } of unwanted) void this.#destroy(container);
    return cell;
  }

  /** Ends the waiting cells: their memory is wanted. */
  drop(): void {
    for (const cell of this.#waiting) {
      // No longer to be taken, nor counted; the rest follows from the container's end.
      this.#cells.lost(cell);
      void this.#destroy(cell.container);
    }
  }

  /** No more cells from now on; those that wait are ended. */
  stop(): void {
    this.#stopped = true;
    this.drop();
  }

  async #start(kind: StemCellKind): Promise<void> {
    const { factory, registrar, env, onStart, log } = this.#options;
    onStart?.();
    const { token, viewPath } = await registrar.register(NO_NAMESPACE);
    try {
      const container = await factory.create({
        name: `stem-${this.#nextId++}`,
        ...kind,
        instance: token,
        ...(viewPath === undefined ? {} : { viewPath }),
        env,
      });
      this.#keep(kind, { token, container });
    } catch (error) {
      this.#cells.failed(kind);
      this.#failures += 1;
      const restMs = pauseMs(REST, this.#failures);
      this.#restUntilMs = this.#now() + restMs;
      await registrar.release(token);
      log.warn({ kind: kind.kind, reason: errorMessage(error), restMs: Math.round(restMs) }, 'stem cell did not start');
    }
  }

  #keep(kind: StemCellKind, cell: StemCell): void {
    const wanted = this.#cells.started(kind, cell);
    this.#failures = 0;
    this.#waiting.add(cell);
    // One that was taken is released by the instance that it became.
    void cell.container.ended.then(() =>
      this.#forget(cell) ? this.#options.registrar.release(cell.token) : undefined,
    );
    if (this.#stopped) this.drop();
    else if (!wanted) void this.#destroy(cell.container);
  }

  #forget(cell: StemCell): boolean {
    this.#cells.lost(cell);
    return this.#waiting.delete(cell);
  }

  async #destroy(container: Container): Promise<void> {
    try {
      await container.destroy();
    } catch (error) {
      this.#options.log.error({ err: error }, 'stem cell was not destroyed');
    }
  }
}
