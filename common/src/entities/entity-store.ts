/**
 * Entities, activation records and own documents as the components see them. Adapters: {@link EmbeddedStore}, CouchDB
 * behind `@tetris/common/couch`.
 */
import type { Action } from '../openwhisk/action-document';
import type { Activation } from '../openwhisk/activation';
import type { Entities, EntityType } from '../openwhisk/entity-documents';
import type { UserLimits } from '../openwhisk/identity';
import type { DocumentStore } from './document-store';

export interface ListQuery {
  /** At most this many. */
  limit: number;
  skip: number;
}

export interface ActivationQuery extends ListQuery {
  /** Action name, or `package/name`. */
  name?: string;
  /** Epoch ms, inclusive. */
  since?: number;
  upto?: number;
}

export interface EntityFilter {
  /** Packages only: those that are published and are no bindings. */
  isPublic?: boolean;
}

export interface EntityStore extends DocumentStore {
  /**
   * Reads an action with its code.
   * @param id `namespace/name` or `namespace/package/name`
   * @param revision the revision wanted; where the document has moved on, the newest is returned, as stock does.
   *   `undefined` bypasses every cache.
   * @throws PluginError `ERR_DOCUMENT_NOT_FOUND`, `ERR_DOCUMENT_TYPE`, `ERR_DOCUMENT_INVALID`, `ERR_STORE_UNAVAILABLE`
   *   (retriable)
   */
  getAction(id: string, revision?: string): Promise<Action>;
  /**
   * Creates or replaces an action; `revision` absent means create. Returns the stored action with its new revision.
   * @throws PluginError `ERR_DOCUMENT_CONFLICT`
   */
  putAction(action: Omit<Action, 'revision'>, revision?: string): Promise<Action>;
  /** @throws PluginError `ERR_DOCUMENT_NOT_FOUND`, `ERR_DOCUMENT_CONFLICT` */
  deleteAction(id: string, revision: string): Promise<void>;
  /** Actions of a namespace (and of its packages), newest first. Code is left out. */
  listActions(namespace: string, query: ListQuery): Promise<Action[]>;
  countActions(namespace: string): Promise<number>;

  /**
   * Reads a package, trigger or rule.
   * @param id `namespace/name`
   * @throws PluginError `ERR_DOCUMENT_NOT_FOUND`, `ERR_DOCUMENT_TYPE`, `ERR_DOCUMENT_INVALID`, `ERR_STORE_UNAVAILABLE`
   *   (retriable)
   */
  getEntity<T extends EntityType>(type: T, id: string): Promise<Entities[T]>;
  /**
   * Creates or replaces one; `revision` absent means create. Actions share the ids: what is there under another type is
   * a conflict. Returns the stored entity with its new revision.
   * @throws PluginError `ERR_DOCUMENT_CONFLICT`
   */
  putEntity<T extends EntityType>(
    type: T,
    entity: Omit<Entities[T], 'revision'>,
    revision?: string,
  ): Promise<Entities[T]>;
  /** @throws PluginError `ERR_DOCUMENT_NOT_FOUND`, `ERR_DOCUMENT_CONFLICT` */
  deleteEntity(type: EntityType, id: string, revision: string): Promise<void>;
  /** Those of a namespace, newest first. */
  listEntities<T extends EntityType>(
    type: T,
    namespace: string,
    query: ListQuery & EntityFilter,
  ): Promise<Entities[T][]>;
  countEntities(type: EntityType, namespace: string, filter?: EntityFilter): Promise<number>;

  /**
   * Queues a record for storing; never waits for the database. Records are lost only past the queue's bound, and
   * counted.
   */
  putActivation(activation: Activation): void;
  /** Resolves when every record queued so far is stored or given up. */
  flush(): Promise<void>;
  /** @throws PluginError `ERR_DOCUMENT_NOT_FOUND` @param id `namespace/activationId` */
  getActivation(id: string): Promise<Activation>;
  /** Newest first. */
  listActivations(namespace: string, query: ActivationQuery): Promise<Activation[]>;
  countActivations(namespace: string, query: Omit<ActivationQuery, 'limit' | 'skip'>): Promise<number>;

  /** Limits of a namespace; `{}` where it has none of its own. */
  getLimits(namespace: string): Promise<UserLimits>;
  /**
   * Namespaces that may not run anything: those of blocked subjects, and those limited to no invocation at all.
   * @throws PluginError `ERR_STORE_UNAVAILABLE` (retriable)
   */
  blockedNamespaces(): Promise<string[]>;
  close(): Promise<void>;
}

/** An action that was written or deleted. */
export interface ActionChange {
  /** `namespace/name` or `namespace/package/name`. */
  name: string;
  /** Undefined: deleted, or another entity now. */
  action?: { kind: string; revision: string; version: string; memoryMb: number };
}

/** What has happened to entities, in order. Adapter: CouchDB. */
export interface EntityChanges {
  /**
   * @param since as the last call has returned it; undefined: everything that there is
   * @param limit changes looked at, of entities of all types
   * @returns no changes where nothing has happened
   * @throws PluginError `ERR_STORE_UNAVAILABLE` (retriable)
   */
  actionChanges(since: string | undefined, limit: number): Promise<{ changes: ActionChange[]; since: string }>;
}
