import { type Action, bindingOf, type EntityStore, type Identity, isPluginError, type Package } from '@tetris/common';
import { type Access, owns, requireOwner } from '../access';
import { packageContents, packageOf, packageSummary, readPackagePut, wantedBinding } from '../entities/packages';
import type { SystemLimits } from '../limits';
import type { Page } from '../rest/query';
import type { Resolution } from '../resolution';
import { ifThere, RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { idOf, type Target } from './requests';

export interface PackageResourceOptions {
  store: EntityStore;
  access: Access;
  resolution: Resolution;
  limits: SystemLimits;
  now: () => number;
}

/** No package has more. */
const ALL: Page = { limit: 2 ** 31 - 1, skip: 0 };

/** Packages and bindings. Methods throw {@link RestError} or the store's PluginErrors. */
export class PackageResource {
  readonly #options: PackageResourceOptions;

  constructor(options: PackageResourceOptions) {
    this.#options = options;
  }

  async put(user: Identity, target: Target, body: unknown, overwrite: boolean): Promise<Package> {
    const { store, limits, now } = this.#options;
    requireOwner(user, target.namespace, idOf(target));
    const put = readPackagePut(target.name, body);
    const binding = wantedBinding(put, target.namespace);
    if (binding !== undefined) await this.#checkBinding(user, `${binding.namespace}/${binding.name}`);
    const present = await ifThere(store.getEntity('package', idOf(target)));
    if (present !== undefined && !overwrite) throw new RestError(409, TEXTS.exists);
    const { parameterBytesMax } = limits;
    const next = packageOf(put, { ...target, present, parameterBytesMax, nowMs: now() });
    return store.putEntity('package', next, present?.revision);
  }

  /** With its actions and feeds; a binding with those of the package behind it, and that one's parameters. */
  async get(user: Identity, target: Target): Promise<object> {
    const { store, access, resolution } = this.#options;
    try {
      await access.requirePackage(user, idOf(target));
    } catch (error) {
      if (!isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) throw error;
      throw new RestError(404, TEXTS.resourceNotFound(idOf(target)));
    }
    const { path, parameters } = await resolution.package(idOf(target));
    const found = await store.getEntity('package', idOf(target));
    return packageContents(found, parameters, await store.listActions(path, ALL));
  }

  /** @param force with everything in it; without, one that is not empty is refused */
  async delete(user: Identity, target: Target, force: boolean): Promise<Package> {
    const { store } = this.#options;
    requireOwner(user, target.namespace, idOf(target));
    const found = await store.getEntity('package', idOf(target));
    const actions = bindingOf(found) === undefined ? await store.listActions(idOf(target), ALL) : [];
    if (actions.length > 0 && !force) throw new RestError(409, TEXTS.packageNotEmpty(actions.length));
    for (const { namespace, name, revision } of actions) await store.deleteAction(`${namespace}/${name}`, revision);
    await store.deleteEntity('package', idOf(target), found.revision);
    return found;
  }

  /** One's own; of others the public ones. */
  async list(user: Identity, namespace: string, page: Page): Promise<object[]> {
    const filter = { isPublic: !owns(user, namespace) };
    return (await this.#options.store.listEntities('package', namespace, { ...page, ...filter })).map(packageSummary);
  }

  count(user: Identity, namespace: string): Promise<number> {
    return this.#options.store.countEntities('package', namespace, { isPublic: !owns(user, namespace) });
  }

  /** Actions of a package; of a binding, those of the package behind it, under its name. */
  async actions(user: Identity, target: Target, page: Page): Promise<Action[]> {
    return this.#options.store.listActions(await this.#readablePath(user, target), page);
  }

  async countActions(user: Identity, target: Target): Promise<number> {
    return this.#options.store.countActions(await this.#readablePath(user, target));
  }

  async #readablePath(user: Identity, target: Target): Promise<string> {
    await this.#options.access.requirePackage(user, idOf(target));
    return (await this.#options.resolution.package(idOf(target))).path;
  }

  async #checkBinding(user: Identity, path: string): Promise<void> {
    const { access, store } = this.#options;
    try {
      await access.requirePackage(user, path);
    } catch (error) {
      if (isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) throw new RestError(400, TEXTS.bindingNotFound);
      if (isPluginError(error, 'ERR_DOCUMENT_TYPE')) throw new RestError(409, TEXTS.bindingOfOther);
      throw error;
    }
    const provider = await store.getEntity('package', path);
    if (bindingOf(provider) !== undefined) throw new RestError(400, TEXTS.bindingOfBinding);
  }
}
