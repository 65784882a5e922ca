/** What is known of the actions that are served here, for whoever invokes them. Pure. */
import { LRUCache } from 'lru-cache';
import type { OrderedName, PulledAction } from './etcd-keys';

interface Known {
  revision: string;
  memoryMb: number;
  /** Those that have invoked it, its own included. */
  namespaces: Set<string>;
}

/** Of one action; the rest gets no hints, but tags and the stock invokers serve all. */
const NAMESPACES_MAX = 100;

export class KnownActions {
  readonly #known: LRUCache<string, Known>;

  constructor(actionsMax: number) {
    this.#known = new LRUCache({ max: actionsMax });
  }

  /** The largest memory limit of them, MB. */
  get memoryMaxMb(): number {
    let most = 0;
    for (const { memoryMb } of this.#known.values()) most = Math.max(most, memoryMb);
    return most;
  }

  /** @returns it for each namespace that invokes it */
  present(name: string, revision: string, memoryMb: number): PulledAction[] {
    const namespaces = this.#known.get(name)?.namespaces ?? new Set([name.slice(0, name.indexOf('/'))]);
    this.#known.set(name, { revision, memoryMb, namespaces });
    return [...namespaces].map((namespace) => ({ namespace, name: nameOf(name), revision }));
  }

  gone(name: string): void {
    this.#known.delete(name);
  }

  /** Somebody invokes it. @returns it, where it is ours and this is the first time */
  invoked(namespace: string, { path, name }: OrderedName): PulledAction | undefined {
    const known = this.#known.get(`${path}/${name}`);
    if (known === undefined || known.namespaces.has(namespace) || known.namespaces.size >= NAMESPACES_MAX)
      return undefined;
    known.namespaces.add(namespace);
    return { namespace, name: { path, name }, revision: known.revision };
  }
}

function nameOf(name: string): { path: string; name: string } {
  const at = name.lastIndexOf('/');
  return { path: name.slice(0, at), name: name.slice(at + 1) };
}
