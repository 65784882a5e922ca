/** The objects of an API server: versions, conflicts, and the history that watches continue from. */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';

export interface StoredObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    ownerReferences?: { uid: string }[];
  };
}

export interface Change<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  version: number;
  object: T;
}

/** A refusal as the API server words it. */
export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** One kind of object of one namespace. Every object that is given out is a copy. */
export class ObjectStore<T extends StoredObject> {
  readonly #plural: string;
  readonly #nextVersion: () => number;
  readonly #objects = new Map<string, T>();
  readonly #changes = new EventEmitter<{ change: [Change<T>] }>().setMaxListeners(0);
  readonly #untold: Change<T>[] = [];
  #telling = false;
  #history: Change<T>[] = [];
  /** Watches from before this version are refused with 410. */
  #compactedTo = 0;
  #version = 0;

  /** @param nextVersion shared by all stores of a server */
  constructor(plural: string, nextVersion: () => number) {
    this.#plural = plural;
    this.#nextVersion = nextVersion;
  }

  /** The latest version. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#objects.size;
  }

  list(matches: (object: T) => boolean = () => true): T[] {
    return [...this.#objects.values()].filter(matches).map((object) => structuredClone(object));
  }

  get(name: string): T {
    const object = this.#objects.get(name);
    if (object === undefined) throw new Refusal(404, 'NotFound', `${this.#plural} "${name}" not found`);
    return structuredClone(object);
  }

  create(object: T, namespace: string): T {
    const { name } = object.metadata;
    if (this.#objects.has(name)) {
      throw new Refusal(409, 'AlreadyExists', `${this.#plural} "${name}" already exists`);
    }
    const metadata = { ...object.metadata, namespace, uid: randomUUID() };
    return this.#put('ADDED', { ...structuredClone(object), metadata });
  }

  /** Changes an object in place; nothing where it is gone. */
  update(name: string, change: (object: T) => void): T | undefined {
    const object = this.#objects.get(name);
    if (object === undefined) return undefined;
    const changed = structuredClone(object);
    change(changed);
    return this.#put('MODIFIED', changed);
  }

  delete(name: string): void {
    const object = this.#objects.get(name);
    if (object === undefined) return;
    this.#objects.delete(name);
    this.#put('DELETED', structuredClone(object));
  }

  /** Forgets the history: whoever watches from an older version has to list again. */
  compact(): void {
    this.#history = [];
    this.#compactedTo = this.#version;
  }

  /**
   * Every change after a version: those of the past at once, then each as it happens.
   * @returns ends it
   * @throws Refusal 410 where the history does not go back so far
   */
  follow(after: number, onChange: (change: Change<T>) => void): () => void {
    if (after < this.#compactedTo) {
      throw new Refusal(410, 'Expired', `too old resource version: ${after} (${this.#compactedTo})`);
    }
    for (const change of this.#history) if (change.version > after) onChange(change);
    this.#changes.on('change', onChange);
    return () => this.#changes.off('change', onChange);
  }

  #put(type: Change<T>['type'], object: T): T {
    this.#version = this.#nextVersion();
    object.metadata.resourceVersion = String(this.#version);
    if (type !== 'DELETED') this.#objects.set(object.metadata.name, object);
    const change = { type, version: this.#version, object: structuredClone(object) };
    this.#history.push(change);
    this.#untold.push(change);
    this.#tell();
    return structuredClone(object);
  }

  /** In order, also where a listener makes the next change. */
  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    for (let change = this.#untold.shift(); change !== undefined; change = this.#untold.shift()) {
      this.#changes.emit('change', change);
    }
    this.#telling = false;
  }
}
