import type { ChainableCommander, Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import type { Logger } from '../log';
import { type RedisLink, replies } from './redis-connection';
import { type Change, type IndexedKind, type RedisKeys, SEQUENCE_FIELD } from './redis-keys';
import type { ActionManifest, InventoryDelta, InventorySnapshot, InvokerStatus, TensorRef } from './registry';

/** TTLs and bounds of what is published, ms and counts. */
export interface PublishLimits {
  /** Of a node's inventory; refreshed at a third of it. */
  inventoryTtlMs: number;
  statusTtlMs: number;
  /** Of a manifest since it was last written or asked for. */
  manifestTtlMs: number;
  /** Manifests in Redis; the least recently used leave first. */
  manifestsMax: number;
}

/** Fields of one HSET command; a node may hold tens of thousands of tensors. */
const FIELDS_MAX = 1_000;
/** Own manifests remembered, to be written again where Redis lost them. */
const MANIFESTS_REMEMBERED_MAX = 1_000;
/** How long an index knows an id at least; entries that are gone are skipped by readers. */
const INDEX_TTL_MIN_MS = 600_000;

interface Inventory {
  sequence: number;
  tensors: Map<string, number>;
}

/**
 * Writes what this process has to say, and remembers it: a Redis that was restarted, emptied or away gets it again, at
 * the next connection or refresh.
 */
export class RedisPublisher {
  readonly #link: RedisLink;
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #limits: PublishLimits;
  readonly #log: Logger;
  readonly #inventories = new Map<string, Inventory>();
  readonly #manifests = new LRUCache<string, ActionManifest>({ max: MANIFESTS_REMEMBERED_MAX });
  #refreshTimer: NodeJS.Timeout | undefined;

  constructor(link: RedisLink, keys: RedisKeys, limits: PublishLimits, log: Logger) {
    this.#link = link;
    this.#redis = link.redis;
    this.#keys = keys;
    this.#limits = limits;
    this.#log = log;
    link.redis.on('ready', () => void this.#republish());
  }

  async inventory(node: string, { sequence, tensors }: InventorySnapshot): Promise<void> {
    this.#inventories.set(node, { sequence, tensors: new Map(tensors.map(({ sha256, bytes }) => [sha256, bytes])) });
    this.#startRefreshing();
    await this.#link.call(() => this.#writeInventory(node));
  }

  async delta(node: string, delta: InventoryDelta): Promise<void> {
    const inventory = this.#inventories.get(node) ?? { sequence: 0, tensors: new Map<string, number>() };
    this.#inventories.set(node, inventory);
    for (const { sha256, bytes } of delta.added) inventory.tensors.set(sha256, bytes);
    for (const sha256 of delta.removed) inventory.tensors.delete(sha256);
    inventory.sequence = delta.sequence;
    this.#startRefreshing();
    await this.#link.call(() => this.#writeDelta(node, delta));
  }

  async status(status: InvokerStatus): Promise<void> {
    await this.#link.call(() => this.#writeJson('status', String(status.instance), status, { kind: 'status', status }));
  }

  async manifest(action: string, manifest: ActionManifest): Promise<void> {
    this.#manifests.set(action, manifest);
    await this.#link.call(() => this.#writeManifest(action, manifest));
  }

  stop(): void {
    clearInterval(this.#refreshTimer);
  }

  #startRefreshing(): void {
    this.#refreshTimer ??= setInterval(() => void this.#refresh(), this.#limits.inventoryTtlMs / 3).unref();
  }

  /** Keeps this process's inventories alive, and notices that Redis was emptied without a new connection. */
  async #refresh(): Promise<void> {
    try {
      for (const node of this.#inventories.keys()) {
        const key = this.#keys.entry('inventory', node);
        const kept = await this.#redis.pexpire(key, this.#limits.inventoryTtlMs);
        if (kept === 0) await this.#writeInventory(node);
      }
    } catch (error) {
      this.#log.debug({ err: error }, 'registry refresh failed');
    }
  }

  async #republish(): Promise<void> {
    try {
      for (const node of this.#inventories.keys()) await this.#writeInventory(node);
      for (const [action, manifest] of this.#manifests) await this.#writeManifest(action, manifest);
    } catch (error) {
      this.#log.debug({ err: error }, 'registry republication failed');
    }
  }

  async #writeInventory(node: string): Promise<void> {
    const inventory = this.#inventories.get(node);
    if (inventory === undefined) return;
    const key = this.#keys.entry('inventory', node);
    const change = this.#redis.multi().del(key).hset(key, SEQUENCE_FIELD, inventory.sequence);
    setTensors(
      change,
      key,
      [...inventory.tensors].map(([sha256, bytes]) => ({ sha256, bytes })),
    );
    await this.#commit(change, 'inventory', node, { kind: 'inventory', node });
  }

  /** Reader and writer agree because hash, sequence and message change in one transaction. */
  async #writeDelta(node: string, delta: InventoryDelta): Promise<void> {
    const key = this.#keys.entry('inventory', node);
    const change = this.#redis.multi().exists(key).hset(key, SEQUENCE_FIELD, delta.sequence);
    setTensors(change, key, delta.added);
    if (delta.removed.length > 0) change.hdel(key, ...delta.removed);
    const [existed] = await this.#commit(change, 'inventory', node, { kind: 'delta', node, delta });
    // Redis had lost the inventory: what was just made of it is only the change.
    if (existed === 0) await this.#writeInventory(node);
  }

  async #writeManifest(action: string, manifest: ActionManifest): Promise<void> {
    await this.#writeJson('manifest', action, manifest, { kind: 'manifest', action, manifest });
    const index = this.#keys.index('manifest');
    const excess = (await this.#redis.zcard(index)) - this.#limits.manifestsMax;
    if (excess <= 0) return;
    const oldest = (await this.#redis.zpopmin(index, excess)).filter((_, position) => position % 2 === 0);
    if (oldest.length > 0) await this.#redis.del(...oldest.map((id) => this.#keys.entry('manifest', id)));
  }

  async #writeJson(kind: 'status' | 'manifest', id: string, value: unknown, change: Change): Promise<void> {
    const key = this.#keys.entry(kind, id);
    await this.#commit(this.#redis.multi().set(key, JSON.stringify(value)), kind, id, change);
  }

  async #commit(write: ChainableCommander, kind: IndexedKind, id: string, change: Change): Promise<unknown[]> {
    const nowMs = Date.now();
    const ttlMs = this.#limits[`${kind}TtlMs`];
    const indexTtlMs = Math.max(ttlMs, INDEX_TTL_MIN_MS);
    const index = this.#keys.index(kind);
    const results = await write
      .pexpire(this.#keys.entry(kind, id), ttlMs)
      .zadd(index, nowMs, id)
      .zremrangebyscore(index, '-inf', nowMs - indexTtlMs)
      .pexpire(index, indexTtlMs)
      .publish(this.#keys.channel, JSON.stringify(change))
      .exec();
    return replies(results);
  }
}

function setTensors(change: ChainableCommander, key: string, tensors: readonly TensorRef[]): void {
  for (let from = 0; from < tensors.length; from += FIELDS_MAX) {
    const fields = tensors.slice(from, from + FIELDS_MAX).flatMap(({ sha256, bytes }) => [sha256, String(bytes)]);
    change.hset(key, ...fields);
  }
}
