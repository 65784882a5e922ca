/**
 * theta(i, j) = Mem(T_i ∩ store_j) / Mem(T_i): how much of action i's tensors node j has already.
 *
 * Kept up to date by inventory deltas and manifests rather than computed per activation: each distinct tensor set has
 * one row of overlaps, a number per node, and a tensor knows the nodes that hold it and the sets that need it. Actions
 * with the same tensors (further versions, other tenants) share a row. Bytes are integers, so rows never drift.
 *
 * A second row counts what living instances hold, by the manifests of the actions that an invoker's status names: a
 * tensor that is in the store and held by nobody is quick to have, but takes memory again as soon as somebody holds it.
 */
import { createHash } from 'node:crypto';
import type { ActionManifest, TensorRef } from '@tetris/common';
import { LRUCache } from 'lru-cache';

interface Tensor {
  sha256: string;
  bytes: number;
  /** Indexes of the nodes whose stores have it. */
  holders: number[];
  /** By node index: actions with living instances there that need it, an invoker's each. */
  living: Map<number, number>;
  sets: TensorSet[];
}

/** A distinct set of tensors. Others only read it. */
export interface TensorSet {
  digest: string;
  tensors: Tensor[];
  totalBytes: number;
  /**
   * Bytes of this set that each node's store has, by node index. Replaced when nodes are added: read it from here each
   * time.
   */
  overlap: Float64Array;
  /** Of these, what living instances hold. The same. */
  held: Float64Array;
  /** Actions, and actions' instances with an invoker, that it is known by. */
  uses: number;
}

/** What placement reads of an action. */
export interface Demand {
  set: TensorSet;
  privateBytes: number;
  /** SHA-256 of the models that it loads, as they came. */
  models: readonly string[];
}

/** The actions with living instances of one invoker, and their tensors where these are known. */
interface Living {
  node: number;
  actions: Map<string, TensorSet | undefined>;
}

export interface SimilarityOptions {
  /** Manifests kept; the oldest leaves first. */
  actionsMax: number;
  /** Nodes kept; further ones are taken for empty. */
  nodesMax: number;
}

export class SimilarityIndex {
  readonly #tensors = new Map<string, Tensor>();
  readonly #sets = new Map<string, TensorSet>();
  readonly #actions: LRUCache<string, Demand>;
  readonly #stores: Set<Tensor>[] = [];
  /** By invoker number. */
  readonly #living = new Map<number, Living>();
  readonly #nodes = new Map<string, number>();
  readonly #freeNodes: number[] = [];
  readonly #options: SimilarityOptions;
  #rowLength = 16;

  constructor(options: SimilarityOptions) {
    this.#options = options;
    this.#actions = new LRUCache({ max: options.actionsMax, dispose: ({ set }) => this.#drop(set) });
  }

  get sizes(): { tensors: number; sets: number; actions: number; nodes: number } {
    const { size: nodes } = this.#nodes;
    return { tensors: this.#tensors.size, sets: this.#sets.size, actions: this.#actions.size, nodes };
  }

  /**
   * Index of a node in {@link TensorSet.overlap}, valid until {@link dropNode}; beyond every row where there are too
   * many.
   */
  nodeIndex(node: string): number {
    return this.#nodes.get(node) ?? this.#addNode(node);
  }

  demand(action: string): Demand | undefined {
    return this.#actions.peek(action);
  }

  /** The revision of an action that was learned last. Looks at all actions: for people, not for decisions. */
  latest(name: string): string | undefined {
    return [...this.#actions.keys()].find((action) => action.startsWith(`${name}@`));
  }

  /** The nodes with the largest theta above 0. Sorts all nodes: for people, not for decisions. */
  thetas(action: string, count: number): { node: string; theta: number }[] {
    const set = this.demand(action)?.set;
    if (set === undefined) return [];
    return [...this.#nodes]
      .map(([node, index]) => ({ node, theta: (set.overlap[index] ?? 0) / Math.max(1, set.totalBytes) }))
      .filter(({ theta }) => theta > 0)
      .sort((one, other) => other.theta - one.theta)
      .slice(0, count);
  }

  setManifest(action: string, manifest: ActionManifest): void {
    const set = this.#intern(manifest.tensors);
    set.uses += 1;
    this.#actions.set(action, { set, privateBytes: manifest.privateBytes, models: manifest.models ?? [] });
    for (const living of this.#living.values()) {
      if (!living.actions.has(action)) continue;
      this.#leave(living, action);
      this.#enter(living, action);
    }
  }

  /** Replaces a node's whole set; only the differences cost anything. */
  setInventory(node: string, tensors: readonly TensorRef[]): void {
    const index = this.nodeIndex(node);
    const wanted = new Set(tensors.map((tensor) => tensor.sha256));
    for (const tensor of this.#stores[index] ?? []) {
      if (!wanted.has(tensor.sha256)) this.#removeFrom(index, tensor);
    }
    for (const tensor of tensors) this.#addTo(index, tensor);
  }

  changeInventory(node: string, added: readonly TensorRef[], removed: readonly string[]): void {
    const index = this.nodeIndex(node);
    for (const tensor of added) this.#addTo(index, tensor);
    for (const sha256 of removed) {
      const tensor = this.#tensors.get(sha256);
      if (tensor !== undefined) this.#removeFrom(index, tensor);
    }
  }

  /** Which actions have living instances with an invoker. */
  setLiving(invoker: number, node: string, actions: readonly string[]): void {
    const index = this.nodeIndex(node);
    if (this.#living.get(invoker)?.node !== index) this.forgetInvoker(invoker);
    const living = this.#living.get(invoker) ?? { node: index, actions: new Map<string, TensorSet | undefined>() };
    this.#living.set(invoker, living);
    const wanted = new Set(actions);
    for (const action of living.actions.keys()) if (!wanted.has(action)) this.#leave(living, action);
    for (const action of wanted) if (!living.actions.has(action)) this.#enter(living, action);
  }

  /** An invoker has gone, and its instances with it. */
  forgetInvoker(invoker: number): void {
    const living = this.#living.get(invoker);
    if (living === undefined) return;
    for (const action of [...living.actions.keys()]) this.#leave(living, action);
    this.#living.delete(invoker);
  }

  /** Forgets a node that has gone for good; its index may be given to another. */
  dropNode(node: string): void {
    const index = this.#nodes.get(node);
    if (index === undefined) return;
    for (const [invoker, living] of [...this.#living]) if (living.node === index) this.forgetInvoker(invoker);
    for (const tensor of [...(this.#stores[index] ?? [])]) this.#removeFrom(index, tensor);
    this.#nodes.delete(node);
    this.#freeNodes.push(index);
  }

  #addNode(node: string): number {
    if (this.#nodes.size >= this.#options.nodesMax) return Number.MAX_SAFE_INTEGER;
    const index = this.#freeNodes.pop() ?? this.#stores.length;
    this.#nodes.set(node, index);
    this.#stores[index] = new Set();
    if (index >= this.#rowLength) this.#lengthenRows();
    return index;
  }

  #lengthenRows(): void {
    this.#rowLength *= 2;
    for (const set of this.#sets.values()) {
      for (const row of ['overlap', 'held'] as const) {
        const longer = new Float64Array(this.#rowLength);
        longer.set(set[row]);
        set[row] = longer;
      }
    }
  }

  #addTo(index: number, { sha256, bytes }: TensorRef): void {
    const store = this.#stores[index];
    if (store === undefined) return;
    const tensor = this.#tensor(sha256, bytes);
    if (store.has(tensor)) return;
    store.add(tensor);
    tensor.holders.push(index);
    for (const set of tensor.sets) set.overlap[index] = (set.overlap[index] ?? 0) + tensor.bytes;
  }

  #removeFrom(index: number, tensor: Tensor): void {
    if (this.#stores[index]?.delete(tensor) !== true) return;
    remove(tensor.holders, index);
    for (const set of tensor.sets) set.overlap[index] = (set.overlap[index] ?? 0) - tensor.bytes;
    this.#forgetUnused(tensor);
  }

  #enter(living: Living, action: string): void {
    const set = this.#actions.peek(action)?.set;
    living.actions.set(action, set);
    if (set === undefined) return;
    set.uses += 1;
    for (const tensor of set.tensors) this.#hold(tensor, living.node, 1);
  }

  #leave(living: Living, action: string): void {
    const set = living.actions.get(action);
    living.actions.delete(action);
    if (set === undefined) return;
    for (const tensor of set.tensors) this.#hold(tensor, living.node, -1);
    this.#drop(set);
  }

  #hold(tensor: Tensor, node: number, change: 1 | -1): void {
    const before = tensor.living.get(node) ?? 0;
    const after = before + change;
    if (after === 0) tensor.living.delete(node);
    else tensor.living.set(node, after);
    if (before !== 0 && after !== 0) return;
    for (const set of tensor.sets) set.held[node] = (set.held[node] ?? 0) + change * tensor.bytes;
  }

  #tensor(sha256: string, bytes: number): Tensor {
    let tensor = this.#tensors.get(sha256);
    if (tensor === undefined) {
      tensor = { sha256, bytes, holders: [], living: new Map(), sets: [] };
      this.#tensors.set(sha256, tensor);
    }
    return tensor;
  }

  #forgetUnused(tensor: Tensor): void {
    if (tensor.holders.length === 0 && tensor.sets.length === 0) this.#tensors.delete(tensor.sha256);
  }

  #intern(refs: readonly TensorRef[]): TensorSet {
    const bySha = new Map(refs.map((ref) => [ref.sha256, ref]));
    const digest = createHash('sha256')
      .update([...bySha.keys()].sort().join())
      .digest('base64');
    const known = this.#sets.get(digest);
    if (known !== undefined) return known;
    const tensors = [...bySha.values()].map(({ sha256, bytes }) => this.#tensor(sha256, bytes));
    const totalBytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    const [overlap, held] = [new Float64Array(this.#rowLength), new Float64Array(this.#rowLength)];
    const set: TensorSet = { digest, tensors, totalBytes, overlap, held, uses: 0 };
    for (const tensor of tensors) {
      tensor.sets.push(set);
      for (const index of tensor.holders) overlap[index] = (overlap[index] ?? 0) + tensor.bytes;
      for (const index of tensor.living.keys()) held[index] = (held[index] ?? 0) + tensor.bytes;
    }
    this.#sets.set(digest, set);
    return set;
  }

  /** One use of a set less. */
  #drop(set: TensorSet): void {
    set.uses -= 1;
    if (set.uses > 0) return;
    this.#sets.delete(set.digest);
    for (const tensor of set.tensors) {
      remove(tensor.sets, set);
      this.#forgetUnused(tensor);
    }
  }
}

/** Removes one element without keeping the order. */
function remove<T>(list: T[], element: T): void {
  const at = list.indexOf(element);
  if (at < 0) return;
  const last = list.pop();
  if (at < list.length && last !== undefined) list[at] = last;
}
