/**
 * One watch that outlives its connections: it goes on after the last revision that it has told. Where etcd has
 * compacted that away, it tells all that is there anew.
 *
 * A connection over which nothing comes is asked for a sign of life, since a partition is silent.
 */
import { create, type MessageShape } from '@bufbuild/protobuf';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '../errors';
import { pauseMs } from '../flow/backoff';
import type { Duplex } from '../grpc/grpc-channel';
import type { Logger } from '../log';
import { Watch, WatchRequestSchema, type WatchResponseSchema } from '../proto/etcd_pb';
import type { EtcdEntry, EtcdWatcher } from './etcd';
import { endOfPrefix, entryOf } from './ranges';

export interface EtcdWatchOptions {
  prefix: string;
  /** Silence after which the connection is taken for dead, ms; half of it is waited for before asking. */
  silenceMs: number;
}

/** What a watch needs of the connection. */
export interface WatchSource {
  /** All that is there, and the revision at which it was so. */
  listAt(prefix: string): Promise<{ entries: EtcdEntry[]; revision: bigint }>;
  duplex(method: typeof Watch.method.watch): Stream;
  /** The member in use did not answer. */
  nextMember(): void;
}

type Stream = Duplex<typeof WatchRequestSchema, typeof WatchResponseSchema>;
type Response = MessageShape<typeof WatchResponseSchema>;

const BACKOFF = { firstMs: 100, maxMs: 2_000 };
const DELETE = 1;

export class EtcdWatch {
  readonly #etcd: WatchSource;
  readonly #options: EtcdWatchOptions;
  readonly #watcher: EtcdWatcher;
  readonly #log: Logger;
  readonly #stopped = new AbortController();
  #told: () => void = () => undefined;
  /** The next revision that has not been told; undefined where all that is there has to be. */
  #next: bigint | undefined;
  #stream: Stream | undefined;
  #failures = 0;

  constructor(etcd: WatchSource, options: EtcdWatchOptions, watcher: EtcdWatcher, log: Logger) {
    this.#etcd = etcd;
    this.#options = options;
    this.#watcher = watcher;
    this.#log = log;
  }

  /** Resolves when what is there has been told, however long that takes. */
  start(): Promise<void> {
    const told = new Promise<void>((resolve) => (this.#told = resolve));
    void this.#run();
    return told;
  }

  stop(): void {
    this.#stopped.abort();
    this.#stream?.cancel();
    this.#told();
  }

  async #run(): Promise<void> {
    const { prefix } = this.#options;
    while (!this.#stopped.signal.aborted) {
      try {
        this.#next ??= await this.#tellPresent();
        await this.#follow(this.#next);
      } catch (error) {
        this.#failures += 1;
        this.#etcd.nextMember();
        this.#log.debug({ prefix, reason: errorMessage(error) }, 'etcd watch broke: begun again');
      }
      if (this.#stopped.signal.aborted) return;
      const pause = pauseMs(BACKOFF, Math.max(1, this.#failures));
      await sleep(pause, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
  }

  async #tellPresent(): Promise<bigint> {
    const { entries, revision } = await this.#etcd.listAt(this.#options.prefix);
    if (!this.#stopped.signal.aborted) this.#watcher.present(entries);
    this.#told();
    return revision + 1n;
  }

  /** Tells changes until the stream ends, in whichever way. */
  async #follow(startRevision: bigint): Promise<void> {
    const { prefix: key } = this.#options;
    const stream = this.#etcd.duplex(Watch.method.watch);
    this.#stream = stream;
    const value = { key, rangeEnd: endOfPrefix(key), startRevision };
    stream.write(create(WatchRequestSchema, { requestUnion: { case: 'createRequest', value } }));
    const life = new SignsOfLife(stream, this.#options.silenceMs);
    try {
      await new Promise<void>((resolve, reject) => {
        stream.on('error', reject);
        stream.on('end', resolve);
        stream.on('data', (response: Response) => {
          life.seen();
          if (!this.#tell(response)) stream.cancel();
        });
      });
    } finally {
      life.stop();
      this.#stream = undefined;
    }
  }

  /** @returns false where this stream will bring nothing more */
  #tell({ events, compactRevision, canceled }: Response): boolean {
    if (this.#stopped.signal.aborted) return false;
    this.#failures = 0;
    if (compactRevision > 0n) this.#next = undefined;
    if (compactRevision > 0n || canceled) return false;
    for (const { type, kv } of events) {
      if (kv === undefined) continue;
      if (type === DELETE) this.#watcher.deleted(kv.key);
      else this.#watcher.put(entryOf(kv));
      this.#next = kv.modRevision + 1n;
    }
    return true;
  }
}

/** Asks a silent stream whether it lives, and cancels one that does not answer. */
class SignsOfLife {
  readonly #stream: Stream;
  readonly #timer: NodeJS.Timeout;
  #asked = 0;

  constructor(stream: Stream, silenceMs: number) {
    this.#stream = stream;
    this.#timer = setInterval(() => this.#ask(), silenceMs / 2);
  }

  seen(): void {
    this.#asked = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #ask(): void {
    this.#asked += 1;
    if (this.#asked > 2) return this.#stream.cancel();
    this.#stream.write(create(WatchRequestSchema, { requestUnion: { case: 'progressRequest', value: {} } }));
  }
}
