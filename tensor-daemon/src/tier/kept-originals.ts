import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, type Logger, makeFolder, Semaphore } from '@tetris/common';
import { faultPoint } from '../fault';
import { UPLOAD_NAME } from '../source/uploads';
import { unlinkIfPresent } from '../store/files';
import { copySynced } from '../transfer/copy-file';
import type { Offer } from '../transfer/offer';
import type { OriginalTier, WantedOriginal } from './tier';

/** Files waiting to be written; what comes then is not kept. */
const QUEUE_MAX = 64;

export interface KeptOriginalsOptions {
  folder: string;
  bytesMax: number;
}

/**
 * Models as their URLs held them, on a disk: for nodes of another platform, which can use nothing else of this one, and
 * for another form of the same model. Each file is synced before it has its name, and hashed whenever it is read. What
 * was not asked for longest goes first, over a restart too: a file's time is that of its last use.
 */
export class KeptOriginals implements OriginalTier {
  readonly name = 'disk';
  readonly parallelism = 1;
  readonly #folder: string;
  readonly #bytesMax: number;
  readonly #log: Logger;
  /** Bytes by name, the least recently used first. */
  readonly #kept = new Map<string, number>();
  #bytes = 0;
  readonly #writing = new Semaphore(1, QUEUE_MAX);
  readonly #pending = new Set<Promise<void>>();

  constructor({ folder, bytesMax }: KeptOriginalsOptions, log: Logger) {
    this.#folder = folder;
    this.#bytesMax = bytesMax;
    this.#log = log;
  }

  /** Finds what an earlier daemon has kept, and removes what it has not finished. */
  recover(): void {
    makeFolder(this.#folder, 0o700);
    const found: { name: string; bytes: number; usedMs: number }[] = [];
    for (const name of readdirSync(this.#folder)) {
      const path = join(this.#folder, name);
      const { size: bytes, mtimeMs: usedMs } = statSync(path);
      if (UPLOAD_NAME.test(name)) found.push({ name, bytes, usedMs });
      else rmSync(path, { recursive: true, force: true });
    }
    found.sort((one, other) => one.usedMs - other.usedMs);
    for (const { name, bytes } of found) this.#add(name, bytes);
    this.#makeRoom(0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Where a file lies that is now being used. */
  use(name: string): string | undefined {
    const bytes = this.#kept.get(name);
    if (bytes === undefined) return undefined;
    this.#kept.delete(name);
    this.#kept.set(name, bytes);
    const [path, now] = [join(this.#folder, name), new Date()];
    utimes(path, now, now).catch(() => undefined);
    return path;
  }

  /**
   * Copies a file in, when it can; resolves in any case. What does not fit, or is gone by then, is not kept: it has a
   * source.
   */
  keep(name: string, from: string): Promise<void> {
    const keeping = this.#writing
      .run(() => this.#keep(name, from))
      .catch((error: unknown) => this.#log.warn({ name, reason: errorMessage(error) }, 'original not kept'))
      .finally(() => this.#pending.delete(keeping));
    this.#pending.add(keeping);
    return keeping;
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  async *originals({ name }: WantedOriginal): AsyncIterable<Offer> {
    const path = this.use(name);
    if (path === undefined) return;
    yield {
      from: 'disk',
      origin: () => ({ kind: 'file', path }),
      reject: () => this.#forget(name),
      close: () => undefined,
    };
  }

  async #keep(name: string, from: string): Promise<void> {
    if (this.use(name) !== undefined) return;
    const { size } = await stat(from);
    if (size > this.#bytesMax) throw new Error(`it has ${size} bytes, all originals may have ${this.#bytesMax}`);
    this.#makeRoom(size);
    const [path, unfinished] = [join(this.#folder, name), join(this.#folder, `.${name}`)];
    try {
      await copySynced(from, unfinished);
      faultPoint('original:written');
      renameSync(unfinished, path);
      faultPoint('original:kept');
    } catch (error) {
      unlinkIfPresent(unfinished);
      throw error;
    }
    this.#add(name, size);
  }

  #add(name: string, bytes: number): void {
    this.#kept.set(name, bytes);
    this.#bytes += bytes;
  }

  #makeRoom(bytes: number): void {
    for (const name of this.#kept.keys()) {
      if (this.#bytes + bytes <= this.#bytesMax) return;
      this.#forget(name);
    }
  }

  /** Whoever reads it reads on. */
  #forget(name: string): void {
    // In this order, so that what cannot be removed stays counted.
    unlinkIfPresent(join(this.#folder, name));
    this.#bytes -= this.#kept.get(name) ?? 0;
    this.#kept.delete(name);
  }
}
