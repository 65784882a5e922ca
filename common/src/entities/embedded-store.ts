import { createHash } from 'node:crypto';
import { join } from 'node:path';
import stableStringify from 'fast-json-stable-stringify';
import { PluginError } from '../errors';
import type { Logger } from '../log';
import type { Action } from '../openwhisk/action-document';
import { type Activation, valueOf } from '../openwhisk/activation';
import { bindingOf, type Entities, type EntityType } from '../openwhisk/entity-documents';
import type { UserLimits } from '../openwhisk/identity';
import { copyOfAction, withoutCode } from './action-copy';
import { type DocumentStore, MemoryDocuments } from './document-store';
import { EntityFiles } from './entity-files';
import type { ActivationQuery, EntityFilter, EntityStore, ListQuery } from './entity-store';
import { FolderDocuments } from './folder-documents';

export interface EmbeddedStoreOptions {
  log: Logger;
  /** Folder that keeps everything across restarts and crashes. Absent: memory only. Owned by one process. */
  folder?: string;
  /** Activation records kept; the oldest leave. @default 10_000 */
  activationsMax?: number;
  /** JSON bytes of activation records kept; the oldest leave. @default 268_435_456 */
  activationBytesMax?: number;
  /** Limits by namespace. */
  limits?: Readonly<Record<string, UserLimits>>;
}

type Stored = Entities & { action: Action };
type StoredType = keyof Stored;

/**
 * A document as kept on disk: one entity under the name of its type. A deleted one leaves its revision behind, because
 * CouchDB counts on from there.
 */
type StoredDocument = { id: string; revision: string; deleted?: true } & Partial<Stored>;

interface StoredActivation {
  activation: Activation;
  bytes: number;
  /** Journal segment that holds it; undefined while it waits to be written, and without a folder. */
  segment?: number;
}

/**
 * Entities and activation records in memory, optionally kept in a folder. Revisions count as CouchDB's: `N-<hash>`,
 * a stale or missing one is a conflict.
 */
export class EmbeddedStore implements EntityStore {
  readonly #log: Logger;
  readonly #files: EntityFiles | undefined;
  readonly #own: DocumentStore;
  readonly #activationsMax: number;
  readonly #activationBytesMax: number;
  readonly #limits: Readonly<Record<string, UserLimits>>;
  readonly #documents = new Map<string, StoredDocument>();
  /** In the order of arrival. */
  readonly #activations = new Map<string, StoredActivation>();
  #activationBytes = 0;
  #unwritten: StoredActivation[] = [];
  /** Live records by segment; one that has none left is removed. */
  readonly #segments = new Map<number, number>();
  /** Everything that writes takes its turn here. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: EmbeddedStoreOptions) {
    this.#log = options.log;
    this.#files = options.folder === undefined ? undefined : new EntityFiles(options.folder);
    this.#own = options.folder === undefined ? new MemoryDocuments() : ownDocuments(options.folder);
    this.#activationsMax = options.activationsMax ?? 10_000;
    this.#activationBytesMax = options.activationBytesMax ?? 256 * 1024 ** 2;
    this.#limits = options.limits ?? {};
  }

  /** @throws PluginError `ERR_STORE_UNAVAILABLE` where the folder cannot be read or written */
  static async open(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
    const store = new EmbeddedStore(options);
    await store.#load();
    return store;
  }

  async getAction(id: string): Promise<Action> {
    return copyOfAction(this.#existing('action', id));
  }

  async putAction(action: Omit<Action, 'revision'>, revision?: string): Promise<Action> {
    return copyOfAction(await this.#put('action', copyOfAction({ ...action, revision: '' }), revision));
  }

  deleteAction(id: string, revision: string): Promise<void> {
    return this.#delete('action', id, revision);
  }

  async listActions(namespace: string, query: ListQuery): Promise<Action[]> {
    return this.#page('action', namespace, query).map((action) => copyOfAction(withoutCode(action)));
  }

  async countActions(namespace: string): Promise<number> {
    return this.#allOf('action', namespace).length;
  }

  async getEntity<T extends EntityType>(type: T, id: string): Promise<Entities[T]> {
    return structuredClone(this.#existing(type, id));
  }

  async putEntity<T extends EntityType>(
    type: T,
    entity: Omit<Entities[T], 'revision'>,
    revision?: string,
  ): Promise<Entities[T]> {
    const copy = structuredClone({ ...entity, revision: '' }) as Entities[T];
    return structuredClone(await this.#put<EntityType>(type, copy, revision)) as Entities[T];
  }

  deleteEntity(type: EntityType, id: string, revision: string): Promise<void> {
    return this.#delete(type, id, revision);
  }

  async listEntities<T extends EntityType>(
    type: T,
    namespace: string,
    query: ListQuery & EntityFilter,
  ): Promise<Entities[T][]> {
    return structuredClone(this.#page(type, namespace, query));
  }

  async countEntities(type: EntityType, namespace: string, filter: EntityFilter = {}): Promise<number> {
    return this.#allOf(type, namespace, filter).length;
  }

  putActivation(activation: Activation): void {
    const id = `${activation.namespace}/${activation.activationId}`;
    if (this.#activations.has(id)) return; // The first record of an id stays, as a second PUT would conflict.
    const record = { activation: structuredClone(activation), bytes: JSON.stringify(activation).length };
    this.#admit(id, record);
    if (this.#files === undefined) return;
    if (this.#unwritten.length >= this.#activationsMax) {
      this.#log.error({ activationId: activation.activationId }, 'activation record was not kept on disk: queue full');
      return;
    }
    this.#unwritten.push(record);
    if (this.#unwritten.length === 1) void this.#inTurn(() => this.#writeRecords());
  }

  flush(): Promise<void> {
    return this.#inTurn(async () => undefined);
  }

  async getActivation(id: string): Promise<Activation> {
    const record = this.#activations.get(id);
    if (record === undefined) throw new PluginError('ERR_DOCUMENT_NOT_FOUND', `there is no activation ${id}`);
    return structuredClone(record.activation);
  }

  async listActivations(namespace: string, query: ActivationQuery): Promise<Activation[]> {
    return this.#activationsOf(namespace, query)
      .sort((a, b) => b.start - a.start || (a.activationId < b.activationId ? 1 : -1))
      .slice(query.skip, query.skip + query.limit)
      .map((activation) => structuredClone(activation));
  }

  async countActivations(namespace: string, query: Omit<ActivationQuery, 'limit' | 'skip'>): Promise<number> {
    return this.#activationsOf(namespace, query).length;
  }

  async getLimits(namespace: string): Promise<UserLimits> {
    return this.#limits[namespace] ?? {};
  }

  async blockedNamespaces(): Promise<string[]> {
    return Object.entries(this.#limits)
      .filter(([, limits]) => limits.concurrentInvocations === 0 || limits.invocationsPerMinute === 0)
      .map(([namespace]) => namespace);
  }

  getDocument(id: string): Promise<unknown> {
    return this.#own.getDocument(id);
  }

  changeDocument(id: string, change: (present: unknown) => unknown): Promise<void> {
    return this.#own.changeDocument(id, change);
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#files?.close();
  }

  #existing<T extends StoredType>(type: T, id: string): Stored[T] {
    const document = this.#documents.get(id);
    if (document === undefined || document.deleted === true) {
      throw new PluginError('ERR_DOCUMENT_NOT_FOUND', `there is no ${type} ${id}`);
    }
    const found: StoredDocument[T] = document[type];
    if (found === undefined) throw new PluginError('ERR_DOCUMENT_TYPE', `${id} is no ${type}`);
    return found as Stored[T];
  }

  #put<T extends StoredType>(type: T, entity: Stored[T], revision: string | undefined): Promise<Stored[T]> {
    return this.#inTurn(async () => {
      const id = `${entity.namespace}/${entity.name}`;
      const present = this.#documents.get(id);
      const expected = present?.deleted === true ? undefined : present?.revision;
      if (revision !== expected) throw conflict(id);
      const stored = { ...entity, revision: nextRevision(present?.revision, { ...entity, revision: undefined }) };
      await this.#write({ id, revision: stored.revision, [type]: stored });
      return stored;
    });
  }

  #delete(type: StoredType, id: string, revision: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#existing(type, id).revision !== revision) throw conflict(id);
      await this.#write({ id, revision: nextRevision(revision, 'deleted'), deleted: true });
    });
  }

  /** Entities of a namespace and of its packages. */
  #allOf<T extends StoredType>(type: T, namespace: string, { isPublic = false }: EntityFilter = {}): Stored[T][] {
    return [...this.#documents.values()]
      .flatMap((document) => (document[type] === undefined ? [] : [document[type] as Stored[T]]))
      .filter((entity) => entity.namespace === namespace || entity.namespace.startsWith(`${namespace}/`))
      .filter((entity) => !isPublic || (entity.publish && !('binding' in entity && bindingOf(entity) !== undefined)));
  }

  #page<T extends StoredType>(type: T, namespace: string, query: ListQuery & EntityFilter): Stored[T][] {
    const { limit, skip, ...filter } = query;
    return this.#allOf(type, namespace, filter)
      .sort((a, b) => b.updated - a.updated || (a.name < b.name ? 1 : -1))
      .slice(skip, skip + limit);
  }

  #activationsOf(namespace: string, { name, since, upto }: Omit<ActivationQuery, 'limit' | 'skip'>): Activation[] {
    return [...this.#activations.values()]
      .map((record) => record.activation)
      .filter(
        (activation) =>
          activation.namespace === namespace &&
          (name === undefined || filterName(activation) === name) &&
          (since === undefined || activation.start >= since) &&
          (upto === undefined || activation.start <= upto),
      );
  }

  #admit(id: string, record: StoredActivation): void {
    this.#activations.set(id, record);
    this.#activationBytes += record.bytes;
    for (const [oldest, { bytes, segment }] of this.#activations) {
      if (this.#activations.size <= this.#activationsMax && this.#activationBytes <= this.#activationBytesMax) break;
      this.#activations.delete(oldest);
      this.#activationBytes -= bytes;
      if (segment !== undefined) this.#count(segment, -1);
    }
  }

  #count(segment: number, change: number): void {
    this.#segments.set(segment, (this.#segments.get(segment) ?? 0) + change);
  }

  async #write(document: StoredDocument): Promise<void> {
    await this.#files?.writeDocument(document.id, JSON.stringify(document));
    this.#documents.set(document.id, document);
  }

  async #writeRecords(): Promise<void> {
    const files = this.#files;
    if (files === undefined) return;
    const records = this.#unwritten;
    this.#unwritten = [];
    try {
      const segment = await files.nextSegment();
      this.#count(segment, 0);
      await files.append(records.map((record) => JSON.stringify(record.activation)));
      for (const record of records) {
        const { namespace, activationId } = record.activation;
        if (this.#activations.get(`${namespace}/${activationId}`) !== record) continue;
        record.segment = segment;
        this.#count(segment, 1);
      }
      await this.#removeEmptySegments(files);
    } catch (error) {
      this.#log.error({ err: error, records: records.length }, 'activation records were not kept on disk');
    }
  }

  async #removeEmptySegments(files: EntityFiles): Promise<void> {
    for (const [segment, live] of this.#segments) {
      if (live > 0 || segment === files.currentSegment) continue;
      this.#segments.delete(segment);
      await files.removeSegment(segment);
    }
  }

  async #load(): Promise<void> {
    const { documents, records } = (await this.#files?.load()) ?? { documents: [], records: [] };
    for (const text of documents) {
      const document = JSON.parse(text) as StoredDocument;
      this.#documents.set(document.id, document);
    }
    for (const { text, segment } of records) {
      const activation = JSON.parse(text) as Activation;
      this.#count(segment, 1);
      this.#admit(`${activation.namespace}/${activation.activationId}`, { activation, bytes: text.length, segment });
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}

/**
 * The own documents in an embedded store's folder. Unlike the rest of the folder several processes may use them: what
 * `tetris-profile` finds out is seen by the platform that has the folder.
 */
export const ownDocuments = (folder: string): DocumentStore => new FolderDocuments(join(folder, 'own'));

const conflict = (id: string): PluginError =>
  new PluginError('ERR_DOCUMENT_CONFLICT', `${id} is not at the revision given`);

/** CouchDB's form: one more than the revision before, and a hash of what is stored. */
function nextRevision(previous: string | undefined, content: unknown): string {
  const generation = Number.parseInt(previous ?? '0', 10) + 1;
  const hash = createHash('md5')
    .update(`${previous ?? ''}\n${stableStringify(content)}`)
    .digest('hex');
  return `${generation}-${hash}`;
}

/** `package/name` or `name`, as the stock view of activations by name keys them. */
function filterName(activation: Activation): string {
  const path = valueOf(activation.annotations, 'binding') ?? valueOf(activation.annotations, 'path');
  const parts = typeof path === 'string' ? path.split('/') : [];
  if (valueOf(activation.annotations, 'binding') !== undefined) return `${parts[1] ?? ''}/${activation.name}`;
  return parts.length === 3 ? `${parts[1]}/${activation.name}` : activation.name;
}
