import { LRUCache } from 'lru-cache';
import type {
  ActionManifest,
  InFlight,
  InventoryDelta,
  InventorySnapshot,
  InvokerStatus,
  Registry,
  RegistryEvents,
  TensorRef,
  Unsubscribe,
} from './registry';

/** Manifests kept; what was not asked for longest leaves first. */
const MANIFESTS_MAX = 100_000;

/** The registry of a single process. */
export class MemoryRegistry implements Registry {
  readonly #inventories = new Map<string, { sequence: number; tensors: Map<string, TensorRef> }>();
  readonly #statuses = new Map<number, InvokerStatus>();
  readonly #manifests = new LRUCache<string, ActionManifest>({ max: MANIFESTS_MAX });
  readonly #inFlight = new Map<string, Map<string, InFlight>>();
  readonly #watchers = new Set<RegistryEvents>();

  async publishInventory(node: string, snapshot: InventorySnapshot): Promise<void> {
    const tensors = new Map(snapshot.tensors.map((tensor) => [tensor.sha256, tensor]));
    this.#inventories.set(node, { sequence: snapshot.sequence, tensors });
    for (const watcher of this.#watchers) watcher.inventory?.(node, snapshot);
  }

  async publishInventoryDelta(node: string, delta: InventoryDelta): Promise<void> {
    const inventory = this.#inventories.get(node) ?? { sequence: 0, tensors: new Map<string, TensorRef>() };
    for (const tensor of delta.added) inventory.tensors.set(tensor.sha256, tensor);
    for (const sha256 of delta.removed) inventory.tensors.delete(sha256);
    inventory.sequence = delta.sequence;
    this.#inventories.set(node, inventory);
    for (const watcher of this.#watchers) watcher.inventoryDelta?.(node, delta);
  }

  async publishStatus(status: InvokerStatus): Promise<void> {
    this.#statuses.set(status.instance, status);
    for (const watcher of this.#watchers) watcher.status?.(status);
  }

  async putManifest(action: string, manifest: ActionManifest): Promise<void> {
    this.#manifests.set(action, manifest);
    for (const watcher of this.#watchers) watcher.manifest?.(action, manifest);
  }

  async getManifest(action: string): Promise<ActionManifest | undefined> {
    return this.#manifests.get(action);
  }

  async watch(events: RegistryEvents): Promise<Unsubscribe> {
    for (const [node, { sequence, tensors }] of this.#inventories) {
      events.inventory?.(node, { sequence, tensors: [...tensors.values()] });
    }
    for (const status of this.#statuses.values()) events.status?.(status);
    for (const [action, manifest] of [...this.#manifests].reverse()) events.manifest?.(action, manifest);
    this.#watchers.add(events);
    return () => this.#watchers.delete(events);
  }

  async putInFlight(owner: string, entry: InFlight): Promise<void> {
    const entries = this.#inFlight.get(owner) ?? new Map<string, InFlight>();
    entries.set(entry.activationId, entry);
    this.#inFlight.set(owner, entries);
  }

  async deleteInFlight(owner: string, activationId: string): Promise<void> {
    this.#inFlight.get(owner)?.delete(activationId);
  }

  async listInFlight(owner: string): Promise<InFlight[]> {
    return [...(this.#inFlight.get(owner)?.values() ?? [])];
  }

  async close(): Promise<void> {
    this.#watchers.clear();
  }
}
