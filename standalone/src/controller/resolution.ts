import {
  type Action,
  bindingOf,
  type EntityName,
  type EntityStore,
  fullyQualifiedName,
  type KeyValue,
} from '@tetris/common';
import type { RunnableAction } from './activation/message';
import { isInPackage } from './entities/names';
import { mergePairs } from './entities/put';
import { RestError } from './rest-error';
import { TEXTS } from './texts';

/** The package behind a name. */
export interface ResolvedPackage {
  /** `namespace/package`. */
  path: string;
  /** Its own, then those of the bindings that led to it, which win. */
  parameters: KeyValue[];
}

/**
 * Finds actions by names that may lead through packages and bindings. Source:
 * `C/core/entity/Whisk{Action,Package}.scala`.
 */
export class Resolution {
  readonly #store: Pick<EntityStore, 'getAction' | 'getEntity'>;

  constructor(store: Pick<EntityStore, 'getAction' | 'getEntity'>) {
    this.#store = store;
  }

  /** @throws RestError 422 for bindings in a circle; PluginErrors of the store */
  async package(path: string, seen: readonly string[] = []): Promise<ResolvedPackage> {
    if (seen.includes(path)) throw new RestError(422, TEXTS.bindingCircular(path));
    const found = await this.#store.getEntity('package', path);
    const binding = bindingOf(found);
    if (binding === undefined) return { path, parameters: found.parameters };
    const provider = await this.package(`${binding.namespace}/${binding.name}`, [...seen, path]);
    return { path: provider.path, parameters: mergePairs(provider.parameters, found.parameters) };
  }

  /** The name under which an action is stored. */
  async name(name: EntityName): Promise<EntityName> {
    return isInPackage(name) ? { path: (await this.package(name.path)).path, name: name.name } : name;
  }

  /** An action with the parameters that it inherits; its own win. */
  async action(name: EntityName): Promise<RunnableAction> {
    if (!isInPackage(name)) return this.stored(name);
    const { path, parameters } = await this.package(name.path);
    const action = await this.stored({ path, name: name.name });
    const merged = { ...action, parameters: mergePairs(parameters, action.parameters) };
    return path === name.path ? merged : { ...merged, binding: name.path };
  }

  stored(name: EntityName): Promise<Action> {
    return this.#store.getAction(fullyQualifiedName(name));
  }
}
