/**
 * The keys by which a scheduler knows invokers, containers and queues. Source: OpenWhisk `EtcdUtils.scala`. Note
 * `invoker<id>` in `namespace`, and `invoker/<id>` in `warmed`.
 */

import type { SchedulerAddress } from './schedulers';

/** `{path, name}` as the order has it, with version and binding: a queue is asked for with exactly the same. */
export interface OrderedName {
  path: string;
  name: string;
  version?: string | null | undefined;
  binding?: string | null | undefined;
}

/** An action as a scheduler tells it apart: for whom, which, in which revision. */
export interface PulledAction {
  /** The invoking namespace, which is not the action's own where it is shared. */
  namespace: string;
  name: OrderedName;
  revision: string;
}

export class EtcdKeys {
  readonly #cluster: string;

  /** @param cluster `whisk.cluster.name` */
  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  /** An invoker's state. Without a name: all that have this id. */
  invoker(id: number, uniqueName = ''): string {
    return `${this.invokers}${id}/${uniqueName}`;
  }

  get invokers(): string {
    return `${this.#cluster}/invokers/`;
  }

  /** The id of the invoker of a key as {@link invoker} makes it. */
  invokerOf(key: string): number {
    return Number.parseInt(key.slice(this.invokers.length), 10);
  }

  /** A container that runs: it counts against the limits of the action and of the namespace. */
  container(action: PulledAction, invoker: number, container: string): string {
    return `${this.#cluster}/namespace/${pathOf(action)}/invoker${invoker}/container/${container}`;
  }

  /** A paused container: the next creation for its action goes to its invoker. */
  warmed(action: PulledAction, invoker: number, container: string): string {
    return `${this.#cluster}/warmed/${pathOf(action)}/invoker/${invoker}/container/${container}`;
  }

  /** Where an action's queue is. */
  leader({ namespace, name }: Pick<PulledAction, 'namespace' | 'name'>): string {
    return `${this.queues}${namespace}/${name.path}/${name.name}/leader`;
  }

  get queues(): string {
    return `${this.#cluster}/queue/`;
  }

  get schedulers(): string {
    return `${this.#cluster}/scheduler/`;
  }

  /** Whose queue it is. @param key as {@link leader} makes it */
  queueOf(key: string): Pick<PulledAction, 'namespace' | 'name'> | undefined {
    if (!key.startsWith(this.queues) || !key.endsWith('/leader')) return undefined;
    const parts = key.slice(this.queues.length).split('/').slice(0, -1);
    const [namespace, ...path] = parts;
    const name = path.pop();
    if (namespace === undefined || name === undefined || path.length === 0) return undefined;
    return { namespace, name: { path: path.join('/'), name } };
  }
}

/** @param value of a key as {@link EtcdKeys.leader} makes it @throws SyntaxError */
export function addressOf(value: string): SchedulerAddress {
  const { host, rpcPort: port } = JSON.parse(value) as { host: string; rpcPort: number };
  return { host, port };
}

/** Neither version nor binding are part of it. */
function pathOf({ namespace, name, revision }: PulledAction): string {
  return `${namespace}/${name.path}/${name.name}/${revision}`;
}
