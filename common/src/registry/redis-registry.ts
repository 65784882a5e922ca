import type { Logger } from '../log';
import { connectRedis, RedisLink } from './redis-connection';
import { RedisKeys } from './redis-keys';
import { type PublishLimits, RedisPublisher } from './redis-publisher';
import { RedisWatcher } from './redis-watcher';
import type {
  ActionManifest,
  InFlight,
  InventoryDelta,
  InventorySnapshot,
  InvokerStatus,
  Registry,
  RegistryEvents,
  Unsubscribe,
} from './registry';

export interface RedisRegistryOptions extends Partial<PublishLimits> {
  /** `redis://[user:password@]host:port[/db]`; `rediss:` for TLS. */
  url: string;
  /** Of every key. @default 'tetris:' */
  prefix?: string;
  /**
   * Of an owner's in-flight ids since the last one. Longer than any controller waits for an activation. @default
   * 3_600_000
   */
  inFlightTtlMs?: number;
  /** How often a watcher compares sequences. @default 30_000 */
  compareMs?: number;
  /** Bound of each command. @default 2_000 */
  commandTimeoutMs?: number;
  /** In-flight ids erased while Redis was away, to be erased when it is back. @default 100_000 */
  erasedMax?: number;
}

const DEFAULTS = {
  prefix: 'tetris:',
  inventoryTtlMs: 60_000,
  statusTtlMs: 10_000,
  manifestTtlMs: 7 * 86_400_000,
  manifestsMax: 20_000,
  inFlightTtlMs: 3_600_000,
  compareMs: 30_000,
  commandTimeoutMs: 2_000,
  erasedMax: 100_000,
} as const;

/**
 * {@link Registry} in Redis. While Redis is away every call fails at once with `ERR_STORE_UNAVAILABLE`, and watchers
 * keep what they have; when it is back, empty or not, this process writes again what it has published and what is in
 * flight.
 */
export class RedisRegistry implements Registry {
  readonly #link: RedisLink;
  readonly #options: typeof DEFAULTS & RedisRegistryOptions;
  readonly #keys: RedisKeys;
  readonly #log: Logger;
  readonly #publisher: RedisPublisher;
  readonly #watchers = new Set<RedisWatcher>();
  /** What this process has in flight, by owner, and what it could not erase. */
  readonly #inFlight = new Map<string, Map<string, InFlight>>();
  readonly #unerased = new Map<string, Set<string>>();

  constructor(options: RedisRegistryOptions, log: Logger) {
    this.#options = { ...DEFAULTS, ...options } as typeof DEFAULTS & RedisRegistryOptions;
    this.#log = log;
    this.#keys = new RedisKeys(this.#options.prefix);
    this.#link = new RedisLink(options.url, this.#options.commandTimeoutMs, log);
    this.#publisher = new RedisPublisher(this.#link, this.#keys, this.#options, log);
    this.#link.redis.on('ready', () => void this.#restoreInFlight());
  }

  async publishInventory(node: string, snapshot: InventorySnapshot): Promise<void> {
    await this.#publisher.inventory(node, snapshot);
  }

  async publishInventoryDelta(node: string, delta: InventoryDelta): Promise<void> {
    await this.#publisher.delta(node, delta);
  }

  async publishStatus(status: InvokerStatus): Promise<void> {
    await this.#publisher.status(status);
  }

  async putManifest(action: string, manifest: ActionManifest): Promise<void> {
    await this.#publisher.manifest(action, manifest);
  }

  async getManifest(action: string): Promise<ActionManifest | undefined> {
    const key = this.#keys.entry('manifest', action);
    const text = await this.#link.call(async (redis) => {
      const found = await redis.getex(key, 'PX', this.#options.manifestTtlMs);
      if (found !== null) await redis.zadd(this.#keys.index('manifest'), 'XX', Date.now(), action);
      return found;
    });
    return text === null ? undefined : (JSON.parse(text) as ActionManifest);
  }

  async watch(events: RegistryEvents): Promise<Unsubscribe> {
    const { url, commandTimeoutMs, compareMs } = this.#options;
    const subscriber = connectRedis(url, commandTimeoutMs, this.#log);
    const watcher = new RedisWatcher(this.#link, subscriber, this.#keys, events, compareMs, this.#log);
    this.#watchers.add(watcher);
    await watcher.begun(commandTimeoutMs);
    return () => {
      this.#watchers.delete(watcher);
      watcher.stop();
    };
  }

  async putInFlight(owner: string, entry: InFlight): Promise<void> {
    entriesOf(this.#inFlight, owner, () => new Map<string, InFlight>()).set(entry.activationId, entry);
    await this.#link.call(async (redis) => {
      const key = this.#keys.inFlight(owner);
      await Promise.all([
        redis.hset(key, entry.activationId, JSON.stringify(entry)),
        redis.pexpire(key, this.#options.inFlightTtlMs),
      ]);
    });
  }

  async deleteInFlight(owner: string, activationId: string): Promise<void> {
    this.#inFlight.get(owner)?.delete(activationId);
    try {
      await this.#link.call((redis) => redis.hdel(this.#keys.inFlight(owner), activationId));
    } catch (error) {
      const unerased = entriesOf(this.#unerased, owner, () => new Set<string>());
      if (unerased.size < this.#options.erasedMax) unerased.add(activationId);
      throw error;
    }
  }

  async listInFlight(owner: string): Promise<InFlight[]> {
    const texts = await this.#link.call((redis) => redis.hvals(this.#keys.inFlight(owner)));
    const entries = texts.map((text) => JSON.parse(text) as InFlight);
    const known = entriesOf(this.#inFlight, owner, () => new Map<string, InFlight>());
    for (const entry of entries) known.set(entry.activationId, entry);
    return entries;
  }

  /** The clock of the server, epoch ms. */
  async timeMs(): Promise<number> {
    const [seconds = 0, microseconds = 0] = await this.#link.call((redis) => redis.time());
    return seconds * 1000 + Math.floor(microseconds / 1000);
  }

  async close(): Promise<void> {
    for (const watcher of this.#watchers) watcher.stop();
    this.#watchers.clear();
    this.#publisher.stop();
    this.#link.redis.disconnect();
  }

  /** At each connection: erases what could not be erased, writes again what Redis may have lost. */
  async #restoreInFlight(): Promise<void> {
    try {
      for (const [owner, ids] of this.#unerased) {
        if (ids.size > 0) await this.#link.call((redis) => redis.hdel(this.#keys.inFlight(owner), ...ids));
        this.#unerased.delete(owner);
      }
      for (const [owner, entries] of this.#inFlight) {
        await Promise.all([...entries.values()].map((entry) => this.putInFlight(owner, entry)));
      }
    } catch (error) {
      this.#log.debug({ err: error }, 'in-flight ids cannot be restored now');
    }
  }
}

function entriesOf<V>(owners: Map<string, V>, owner: string, make: () => V): V {
  let entries = owners.get(owner);
  if (entries === undefined) owners.set(owner, (entries = make()));
  return entries;
}
