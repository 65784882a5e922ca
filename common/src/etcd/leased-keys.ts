/**
 * Keys that are in etcd for as long as this process lives: under one lease, renewed three times in its life. Where the
 * lease is lost (a partition, a long pause of the process) a new one is made and every key is written again.
 *
 * Changes are collected and written together, those of one key in their order; while etcd is away they wait.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, isPluginError } from '../errors';
import { pauseMs } from '../flow/backoff';
import type { Logger } from '../log';
import type { Etcd, EtcdChange, EtcdLease } from './etcd';

export interface LeasedKeysOptions {
  /** Time after which the keys go when this process no longer renews, ms; etcd may grant more. */
  ttlMs: number;
}

interface Wanted {
  value: string;
  /** Counts the puts, so that one during a write is written too. */
  version: number;
}

const BACKOFF = { firstMs: 50, maxMs: 2_000 };
/** etcd's default `max-txn-ops` is 128. */
const CHANGES_MAX = 100;
const RENEWALS = 3;
/** Of a key that etcd may have or not. */
const UNSURE = -1;

export class LeasedKeys {
  readonly #etcd: Etcd;
  readonly #options: LeasedKeysOptions;
  readonly #log: Logger;
  readonly #wanted = new Map<string, Wanted>();
  /** What this lease has: versions by key. */
  readonly #written = new Map<string, number>();
  readonly #closed = new AbortController();
  #lease: EtcdLease | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #puts = 0;

  constructor(etcd: Etcd, options: LeasedKeysOptions, log: Logger) {
    this.#etcd = etcd;
    this.#options = options;
    this.#log = log;
  }

  /** Undefined while there is none. */
  get leaseId(): bigint | undefined {
    return this.#lease?.id;
  }

  /** Also writes a key that has this value: that is an event to those who watch. Resolves when etcd has it. */
  put(key: string, value: string): Promise<void> {
    this.#wanted.set(key, { value, version: (this.#puts += 1) });
    return this.#settle();
  }

  /** Resolves when etcd has it no more. */
  delete(key: string): Promise<void> {
    this.#wanted.delete(key);
    return this.#settle();
  }

  has(key: string): boolean {
    return this.#wanted.has(key);
  }

  /** Takes every key away, at the latest when the lease runs out. */
  async close(): Promise<void> {
    this.#closed.abort();
    clearTimeout(this.#timer);
    await this.#writing;
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined) return;
    await this.#etcd.revokeLease(lease.id).catch((error: unknown) => {
      this.#log.warn(
        { reason: errorMessage(error), ttlMs: lease.ttlMs },
        'etcd is away: keys stay until the lease ends',
      );
    });
  }

  /** Never rejects. */
  #settle(): Promise<void> {
    this.#writing ??= this.#writeAll();
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    await this.#write();
    this.#writing = undefined;
    // What came after the last look and before this.
    if (!this.#closed.signal.aborted && this.#isDirty()) await this.#settle();
  }

  #isDirty(): boolean {
    const isWritten = ([key, { version }]: [string, Wanted]): boolean => this.#written.get(key) === version;
    return ![...this.#wanted].every(isWritten) || this.#written.size > this.#wanted.size;
  }

  /** Writes until etcd has what is wanted. */
  async #write(): Promise<void> {
    for (let failures = 0; !this.#closed.signal.aborted;) {
      try {
        const lease = (this.#lease ??= await this.#newLease());
        if (!(await this.#writeSome(lease))) return;
        failures = 0;
      } catch (error) {
        if (isPluginError(error, 'ERR_LEASE_UNKNOWN')) {
          this.#lost();
          continue;
        }
        failures += 1;
        this.#log.warn({ reason: errorMessage(error) }, 'etcd cannot be written now');
        await sleep(pauseMs(BACKOFF, failures), undefined, { signal: this.#closed.signal }).catch(() => undefined);
      }
    }
  }

  /** @returns false where nothing is left to write */
  async #writeSome({ id: leaseId }: EtcdLease): Promise<boolean> {
    const puts = [...this.#wanted]
      .filter(([key, { version }]) => this.#written.get(key) !== version)
      .slice(0, CHANGES_MAX);
    const gone = [...this.#written.keys()].filter((key) => !this.#wanted.has(key)).slice(0, CHANGES_MAX - puts.length);
    if (puts.length + gone.length === 0) return false;
    for (const [key] of puts) this.#written.set(key, UNSURE);
    const changes: EtcdChange[] = [
      ...puts.map(([put, { value }]) => ({ put, value, leaseId })),
      ...gone.map((key) => ({ delete: key })),
    ];
    await this.#etcd.transact([], changes);
    for (const [key, { version }] of puts) this.#written.set(key, version);
    for (const key of gone) this.#written.delete(key);
    return true;
  }

  async #newLease(): Promise<EtcdLease> {
    const lease = await this.#etcd.grantLease(this.#options.ttlMs);
    this.#renewLater(lease);
    return lease;
  }

  #renewLater(lease: EtcdLease): void {
    clearTimeout(this.#timer);
    if (this.#closed.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#renew(lease), lease.ttlMs / RENEWALS);
  }

  async #renew(lease: EtcdLease): Promise<void> {
    if (this.#lease !== lease) return;
    try {
      await this.#etcd.renewLease(lease.id);
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      if (isPluginError(error, 'ERR_LEASE_UNKNOWN')) {
        if (this.#lease !== lease) return;
        this.#lost();
        return void this.#settle();
      }
      this.#log.warn({ reason: errorMessage(error) }, 'lease could not be renewed');
    }
    this.#renewLater(lease);
  }

  #lost(): void {
    this.#log.warn({ keys: this.#wanted.size }, 'lease lost: every key is written again');
    this.#lease = undefined;
    this.#written.clear();
  }
}
