/** What is known of the actions that are served here, for whoever invokes them. Pure. */
import { LRUCache } from 'lru-cache';
import type { OrderedName, PulledAction } from './etcd-keys';

export interface ActionState {
  revision: string;
  version: string;
  memoryMb: number;
}

interface Known extends ActionState {
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
  present(name: string, state: ActionState): PulledAction[] {
    const namespaces = this.#known.get(name)?.namespaces ?? new Set([name.slice(0, name.indexOf('/'))]);
    this.#known.set(name, { ...state, namespaces });
    return [...namespaces].map((namespace) => pulledAction(namespace, nameOf(name), state));
  }

  gone(name: string): void {
    this.#known.delete(name);
  }

  /** It as its newest revision is pulled for this namespace; undefined: it is not ours. */
  get(namespace: string, name: OrderedName): PulledAction | undefined {
    const known = this.#known.get(idOf(name));
    return known && pulledAction(namespace, name, known);
  }

  /** Somebody invokes it. @returns is this the first time that we see that, and can it be kept? */
  invoked(namespace: string, name: OrderedName): boolean {
    const namespaces = this.#known.get(idOf(name))?.namespaces;
    if (namespaces === undefined || namespaces.has(namespace) || namespaces.size >= NAMESPACES_MAX) return false;
    namespaces.add(namespace);
    return true;
  }
}

const idOf = ({ path, name }: OrderedName): string => `${path}/${name}`;

const pulledAction = (namespace: string, { path, name }: OrderedName, state: ActionState): PulledAction => ({
  namespace,
  name: { path, name, version: state.version },
  revision: state.revision,
});

function nameOf(name: string): { path: string; name: string } {
  const at = name.lastIndexOf('/');
  return { path: name.slice(0, at), name: name.slice(at + 1) };
}
