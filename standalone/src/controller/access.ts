import {
  bindingOf,
  type EntityName,
  type EntityStore,
  fullyQualifiedName,
  type Identity,
  isPluginError,
} from '@tetris/common';
import { isInPackage, rootOf } from './entities/names';
import { RestError } from './rest-error';
import { TEXTS } from './texts';

const forbidden = (name: string): RestError => new RestError(403, TEXTS.forbidden(name));

export const owns = (user: Identity, path: string): boolean => rootOf(path) === user.namespace.name;

/** @throws RestError 403 */
export function requireOwner(user: Identity, path: string, resource = path): void {
  if (!owns(user, path)) throw forbidden(resource);
}

/** Who may use what. Source: `K/entitlement/{Entitlement,PackageCollection,ActionCollection}.scala`. */
export class Access {
  readonly #store: Pick<EntityStore, 'getEntity'>;

  constructor(store: Pick<EntityStore, 'getEntity'>) {
    this.#store = store;
  }

  /** An action of one's own, or in a package that one may use. Throws as {@link requirePackage}. */
  async requireAction(user: Identity, name: EntityName): Promise<void> {
    if (isInPackage(name)) return this.requirePackage(user, name.path);
    requireOwner(user, name.path, fullyQualifiedName(name));
  }

  /**
   * A package of one's own or a published one; a binding of one's own to such a one.
   * @throws RestError 403; 404 and 409 are for owners alone, who else would learn what others have
   */
  async requirePackage(user: Identity, path: string): Promise<void> {
    if (!(await this.#isUsable(user, path, []))) throw forbidden(path);
  }

  async #isUsable(user: Identity, path: string, seen: readonly string[]): Promise<boolean> {
    const isOwner = owns(user, path);
    try {
      const found = await this.#store.getEntity('package', path);
      const binding = bindingOf(found);
      if (binding === undefined) return found.publish || isOwner;
      const next = `${binding.namespace}/${binding.name}`;
      return isOwner && !seen.includes(next) && (await this.#isUsable(user, next, [...seen, path]));
    } catch (error) {
      const isAbsent = isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND') || isPluginError(error, 'ERR_DOCUMENT_TYPE');
      if (isOwner || !isAbsent) throw error;
      return false;
    }
  }
}
