import type { Redis } from 'ioredis';
import { within } from '../flow/within';
import type { Logger } from '../log';
import type { RedisLink } from './redis-connection';
import { type Change, type IndexedKind, type RedisKeys, SEQUENCE_FIELD } from './redis-keys';
import type { ActionManifest, InventoryDelta, InvokerStatus, RegistryEvents } from './registry';

/** Values of one MGET command. */
const VALUES_MAX = 100;

/** What is known of one node's inventory. */
interface NodeView {
  /** Undefined until the first snapshot was read. */
  sequence: number | undefined;
  /** A read is under way; `again` asks for another after it, as things changed meanwhile. */
  reading: boolean;
  again: boolean;
}

/**
 * Tells one watcher the present state, then every change.
 *
 * Messages on a Redis channel get lost with a connection, so they are only hints in a hurry: a delta is used where its
 * sequence follows on, anything else makes the snapshot be read again, and so does every new connection. At an
 * interval, sequences are compared, for what was lost without a trace.
 */
export class RedisWatcher {
  readonly #link: RedisLink;
  readonly #subscriber: Redis;
  readonly #keys: RedisKeys;
  readonly #events: RegistryEvents;
  readonly #log: Logger;
  readonly #nodes = new Map<string, NodeView>();
  readonly #compareTimer: NodeJS.Timeout;
  readonly #begun: Promise<void>;
  #stopped = false;

  /** @param subscriber a connection of its own, which this watcher closes */
  constructor(
    link: RedisLink,
    subscriber: Redis,
    keys: RedisKeys,
    events: RegistryEvents,
    compareMs: number,
    log: Logger,
  ) {
    this.#link = link;
    this.#subscriber = subscriber;
    this.#keys = keys;
    this.#events = events;
    this.#log = log;
    subscriber.on('message', (_channel, text) => this.#message(text));
    this.#begun = new Promise((resolve) => subscriber.on('ready', () => void this.#sync().then(resolve)));
    this.#compareTimer = setInterval(() => void this.#compare(), compareMs).unref();
  }

  /** Resolves when the present state was told, or after `timeoutMs` without Redis: it is told when Redis is there. */
  async begun(timeoutMs: number): Promise<void> {
    await within(this.#begun, timeoutMs);
  }

  /** Subscribes (again), then reads everything. Failures wait for the next connection. */
  async #sync(): Promise<void> {
    try {
      await this.#subscriber.subscribe(this.#keys.channel);
      const nodes = await this.#ids('inventory');
      await Promise.all(nodes.map((node) => this.#read(node)));
      await this.#readJson<InvokerStatus>('status', (_id, status) => this.#events.status?.(status));
      await this.#readJson<ActionManifest>('manifest', (id, manifest) => this.#events.manifest?.(id, manifest));
    } catch (error) {
      this.#log.debug({ err: error }, 'registry cannot be read now');
    }
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#compareTimer);
    this.#subscriber.disconnect();
  }

  #message(text: string): void {
    if (this.#stopped) return;
    try {
      const change = JSON.parse(text) as Change;
      switch (change.kind) {
        case 'inventory':
          return void this.#read(change.node);
        case 'delta':
          return this.#delta(change.node, change.delta);
        case 'status':
          return this.#events.status?.(change.status);
        case 'manifest':
          return this.#events.manifest?.(change.action, change.manifest);
      }
    } catch (error) {
      this.#log.error({ err: error }, 'registry message dropped');
    }
  }

  #delta(node: string, delta: InventoryDelta): void {
    const view = this.#view(node);
    if (view.reading || view.sequence === undefined || delta.sequence > view.sequence + 1) return void this.#read(node);
    if (delta.sequence <= view.sequence) return;
    view.sequence = delta.sequence;
    this.#events.inventoryDelta?.(node, delta);
  }

  #view(node: string): NodeView {
    let view = this.#nodes.get(node);
    if (view === undefined) this.#nodes.set(node, (view = { sequence: undefined, reading: false, again: false }));
    return view;
  }

  /** Reads one node's snapshot; calls during a read cause one more read, not several. */
  async #read(node: string): Promise<void> {
    const view = this.#view(node);
    view.again = true;
    if (view.reading) return;
    view.reading = true;
    try {
      while (view.again && !this.#stopped) {
        view.again = false;
        const { [SEQUENCE_FIELD]: sequence, ...tensors } = await this.#link.call((redis) =>
          redis.hgetall(this.#keys.entry('inventory', node)),
        );
        view.sequence = sequence === undefined ? undefined : Number(sequence);
        const refs = Object.entries(tensors).map(([sha256, bytes]) => ({ sha256, bytes: Number(bytes) }));
        if (!view.again) this.#events.inventory?.(node, { sequence: view.sequence ?? 0, tensors: refs });
      }
    } catch (error) {
      view.sequence = undefined;
      this.#log.debug({ err: error, node }, 'inventory cannot be read now');
    } finally {
      view.reading = false;
    }
    if (view.sequence === undefined) this.#nodes.delete(node);
  }

  /** Finds nodes whose inventory moved on or expired without this watcher hearing of it. */
  async #compare(): Promise<void> {
    try {
      for (const node of new Set([...(await this.#ids('inventory')), ...this.#nodes.keys()])) {
        const sequence = await this.#link.call((redis) =>
          redis.hget(this.#keys.entry('inventory', node), SEQUENCE_FIELD),
        );
        const known = this.#nodes.get(node)?.sequence;
        if ((sequence === null ? undefined : Number(sequence)) !== known) await this.#read(node);
      }
    } catch (error) {
      this.#log.debug({ err: error }, 'inventories cannot be compared now');
    }
  }

  #ids(kind: IndexedKind): Promise<string[]> {
    return this.#link.call((redis) => redis.zrange(this.#keys.index(kind), '0', '-1'));
  }

  async #readJson<T>(kind: 'status' | 'manifest', each: (id: string, value: T) => void): Promise<void> {
    const ids = await this.#ids(kind);
    for (let from = 0; from < ids.length && !this.#stopped; from += VALUES_MAX) {
      const some = ids.slice(from, from + VALUES_MAX);
      const texts = await this.#link.call((redis) => redis.mget(...some.map((id) => this.#keys.entry(kind, id))));
      for (const [position, id] of some.entries()) {
        const text = texts[position];
        if (text !== null && text !== undefined) each(id, JSON.parse(text) as T);
      }
    }
  }
}
