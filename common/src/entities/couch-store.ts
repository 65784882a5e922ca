import type { z } from 'zod';
import { isPluginError, PluginError } from '../errors';
import { retry } from '../flow/retry';
import type { Logger } from '../log';
import { type Action, type ActionDocument, ActionDocumentSchema } from '../openwhisk/action-document';
import { type Activation, ActivationSchema } from '../openwhisk/activation';
import { documentType, ENTITY_SCHEMAS, type Entities, type EntityType } from '../openwhisk/entity-documents';
import { type UserLimits, UserLimitsSchema } from '../openwhisk/identity';
import { ActionCache, type ActionCacheLimits } from './action-cache';
import { describeExec, resolveExec, storeCode } from './action-code';
import { copyOfAction, withoutCode } from './action-copy';
import { CouchClient } from './couch-client';
import {
  ACTIONS_VIEW,
  ACTIVATIONS_BY_NAME_VIEW,
  ACTIVATIONS_VIEW,
  BLOCKED_NAMESPACES_VIEW,
  DESIGN_DOCUMENTS,
  ENTITY_VIEWS,
  PUBLIC_PACKAGES_VIEW,
  type ViewName,
} from './couch-views';
import { changeAmongWriters, documentText } from './document-store';
import type {
  ActionChange,
  ActivationQuery,
  EntityChanges,
  EntityFilter,
  EntityStore,
  ListQuery,
} from './entity-store';
import { RecordQueue, type RecordQueueLimits, type Stored } from './record-queue';

/** Names of the databases, as Ansible makes them with its `db_prefix`. */
export interface CouchDatabases {
  /** @default 'whisk_local_whisks' */
  whisks?: string;
  /** @default 'whisk_local_activations' */
  activations?: string;
  /** @default 'whisk_local_subjects' */
  subjects?: string;
}

export interface CouchStoreOptions extends Partial<ActionCacheLimits>, Partial<RecordQueueLimits> {
  /** `http(s)://user:password@host:port`. */
  url: string;
  databases?: CouchDatabases;
  /** Bound of each request, ms. @default 30_000 */
  requestTimeoutMs?: number;
  /** How long `close` waits for queued records, ms. @default 10_000 */
  closeMsMax?: number;
}

const DEFAULTS = {
  requestTimeoutMs: 30_000,
  closeMsMax: 10_000,
  cacheBytesMax: 256 * 1024 ** 2,
  cacheTtlMs: 300_000,
  queueRecordsMax: 10_000,
  queueBytesMax: 256 * 1024 ** 2,
  recordTtlMs: 600_000,
} as const;

const DATABASES = {
  whisks: 'whisk_local_whisks',
  activations: 'whisk_local_activations',
  subjects: 'whisk_local_subjects',
} as const;

/** Sorts after every string and number that a key holds. */
const LAST = '\ufff0';
/** How often a document is read again that changes while its attachment is read. */
const READS_MAX = 5;
const REREAD_BACKOFF = { firstMs: 50, maxMs: 400 };

/** What the database says of one document of several that no further try would change. */
const REFUSED_FOR_GOOD: ReadonlySet<string> = new Set(['forbidden', 'doc_validation', 'bad_request', 'illegal_docid']);

/** {@link EntityStore} on the databases of a stock OpenWhisk. Source: `C/core/database/`. */
export class CouchStore implements EntityStore, EntityChanges {
  readonly #client: CouchClient;
  readonly #databases: Required<CouchDatabases>;
  readonly #cache: ActionCache;
  readonly #records: RecordQueue;
  readonly #closeMsMax: number;

  constructor(options: CouchStoreOptions, log: Logger) {
    const all = { ...DEFAULTS, ...options };
    this.#client = new CouchClient(options.url, all.requestTimeoutMs);
    this.#databases = { ...DATABASES, ...options.databases };
    this.#cache = new ActionCache(all);
    this.#records = new RecordQueue((documents, signal) => this.#storeRecords(documents, signal), all, log);
    this.#closeMsMax = all.closeMsMax;
  }

  /** Activation records that were lost: the queue was full, or the database away for too long. */
  get recordsDropped(): number {
    return this.#records.dropped;
  }

  /** Makes the databases and views that are missing. A stock deployment has them; others need this once. */
  async prepare(): Promise<void> {
    for (const [role, designs] of Object.entries(DESIGN_DOCUMENTS)) {
      const database = this.#databases[role as keyof CouchDatabases];
      await ignoring('ERR_DOCUMENT_CONFLICT', this.#client.json('PUT', [database]));
      for (const [name, views] of Object.entries(designs)) {
        const json = { language: 'javascript', views };
        await ignoring('ERR_DOCUMENT_CONFLICT', this.#client.json('PUT', [database, '_design', name], { json }));
      }
    }
  }

  async getAction(id: string, revision?: string): Promise<Action> {
    if (revision === undefined) return this.#readAction(id);
    return copyOfAction(await this.#cache.get(`${id}@${revision}`, () => this.#readAction(id)));
  }

  async putAction(action: Omit<Action, 'revision'>, revision?: string): Promise<Action> {
    const { namespace, name, version, publish, updated, exec, parameters, annotations, limits } = action;
    const { code, ...described } = exec;
    const stored = code === undefined ? undefined : storeCode(code, exec.binary);
    const path = [this.#databases.whisks, `${namespace}/${name}`];
    const json = {
      ...(revision === undefined ? {} : { _rev: revision }),
      entityType: 'action',
      ...{ namespace, name, version, publish, updated, parameters, annotations, limits },
      exec: { ...described, ...(stored === undefined ? {} : { code: stored.code }) },
    };
    let { rev } = await this.#client.json<{ rev: string }>('PUT', path, { json });
    if (stored?.attachment !== undefined) {
      const { name: attachment, type, bytes } = stored.attachment;
      const request = { query: { rev }, bytes, contentType: type };
      ({ rev } = await this.#client.json<{ rev: string }>('PUT', [...path, attachment], request));
    }
    return copyOfAction({ ...action, revision: rev });
  }

  async deleteAction(id: string, revision: string): Promise<void> {
    await this.#client.json('DELETE', [this.#databases.whisks, id], { query: { rev: revision } });
  }

  async listActions(namespace: string, { limit, skip }: ListQuery): Promise<Action[]> {
    const documents = await this.#view(this.#databases.whisks, ACTIONS_VIEW, { ...rangeOf(namespace), limit, skip });
    return documents.map((document) => withoutCode(describeAction(parseAction(document))));
  }

  async countActions(namespace: string): Promise<number> {
    return this.#count(this.#databases.whisks, ACTIONS_VIEW, rangeOf(namespace));
  }

  async getEntity<T extends EntityType>(type: T, id: string): Promise<Entities[T]> {
    return parseEntity(type, await this.#client.json('GET', [this.#databases.whisks, id]));
  }

  async putEntity<T extends EntityType>(
    type: T,
    entity: Omit<Entities[T], 'revision'>,
    revision?: string,
  ): Promise<Entities[T]> {
    const content: object = without(entity, ['revision']);
    const json = { ...(revision === undefined ? {} : { _rev: revision }), ...content, entityType: type };
    const path = [this.#databases.whisks, `${entity.namespace}/${entity.name}`];
    const { rev } = await this.#client.json<{ rev: string }>('PUT', path, { json });
    return structuredClone({ ...entity, revision: rev }) as Entities[T];
  }

  deleteEntity(_type: EntityType, id: string, revision: string): Promise<void> {
    return this.deleteAction(id, revision);
  }

  async listEntities<T extends EntityType>(
    type: T,
    namespace: string,
    { limit, skip, ...filter }: ListQuery & EntityFilter,
  ): Promise<Entities[T][]> {
    const range = { ...rangeOf(namespace), limit, skip };
    const documents = await this.#view(this.#databases.whisks, viewOf(type, filter), range);
    return documents.map((document) => parseEntity(type, document));
  }

  async countEntities(type: EntityType, namespace: string, filter: EntityFilter = {}): Promise<number> {
    return this.#count(this.#databases.whisks, viewOf(type, filter), rangeOf(namespace));
  }

  putActivation(activation: Activation): void {
    const _id = `${activation.namespace}/${activation.activationId}`;
    this.#records.add({ ...structuredClone(activation), _id, entityType: 'activation', updated: Date.now() });
  }

  async flush(): Promise<void> {
    await this.#records.flush();
  }

  async getActivation(id: string): Promise<Activation> {
    return parseActivation(await this.#client.json('GET', [this.#databases.activations, id]));
  }

  async listActivations(namespace: string, query: ActivationQuery): Promise<Activation[]> {
    const { view, range } = activationRange(namespace, query);
    const { limit, skip } = query;
    const documents = await this.#view(this.#databases.activations, view, { ...range, limit, skip });
    return documents.map(parseActivation);
  }

  async countActivations(namespace: string, query: Omit<ActivationQuery, 'limit' | 'skip'>): Promise<number> {
    const { view, range } = activationRange(namespace, query);
    return this.#count(this.#databases.activations, view, range);
  }

  async getLimits(namespace: string): Promise<UserLimits> {
    const document = await ignoring(
      'ERR_DOCUMENT_NOT_FOUND',
      this.#client.json('GET', [this.#databases.subjects, `${namespace}/limits`]),
    );
    if (document === undefined) return {};
    return without(parseAs(UserLimitsSchema, document, 'limits'), ['_id', '_rev']);
  }

  async blockedNamespaces(): Promise<string[]> {
    const path = viewPath(this.#databases.subjects, BLOCKED_NAMESPACES_VIEW);
    const { rows } = await this.#client.json<{ rows: { key: string }[] }>('GET', path, { query: { reduce: false } });
    return [...new Set(rows.map(({ key }) => key))];
  }

  async getDocument(id: string): Promise<unknown> {
    return (await this.#ownDocument(id))?.value;
  }

  async changeDocument(id: string, change: (present: unknown) => unknown): Promise<void> {
    await changeAmongWriters(id, async () => {
      const present = await this.#ownDocument(id);
      const { value } = JSON.parse(documentText(id, change(present?.value))) as OwnDocument;
      const json = { ...(present === undefined ? {} : { _rev: present._rev }), entityType: 'tetris', value };
      const put = ignoring('ERR_DOCUMENT_CONFLICT', this.#client.json('PUT', this.#ownPath(id), { json }));
      return (await put) !== undefined;
    });
  }

  async actionChanges(since: string | undefined, limit: number): Promise<{ changes: ActionChange[]; since: string }> {
    const query = { since: since ?? 0, limit, include_docs: true };
    const answer = await this.#client.json<ChangesAnswer>('GET', [this.#databases.whisks, '_changes'], { query });
    return { changes: answer.results.map(actionChange), since: String(answer.last_seq) };
  }

  async close(): Promise<void> {
    await this.#records.close(this.#closeMsMax);
  }

  /** The newest revision, whatever was asked for: stock's If-Match only tells it when to look again. */
  async #readAction(id: string): Promise<Action> {
    const path = [this.#databases.whisks, id];
    // The attachment goes when the document is replaced, and comes a moment after the document.
    let attachment = false;
    const again = (error: unknown): boolean => attachment && isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND');
    const read = (name: string): Promise<Buffer> => {
      attachment = true;
      return this.#client.bytes([...path, name]);
    };
    const attempt = async (): Promise<Action> => {
      attachment = false;
      const document = parseAction(await this.#client.json('GET', path));
      return { ...describeAction(document), exec: await resolveExec(document.exec, read) };
    };
    return retry(attempt, { backoff: REREAD_BACKOFF, attemptsMax: READS_MAX, again });
  }

  async #ownDocument(id: string): Promise<OwnDocument | undefined> {
    return ignoring('ERR_DOCUMENT_NOT_FOUND', this.#client.json<OwnDocument>('GET', this.#ownPath(id)));
  }

  /**
   * Beside the entities, where an invoker may read and write in every deployment; none of them has a colon in its name.
   */
  #ownPath(id: string): string[] {
    return [this.#databases.whisks, `tetris:${id}`];
  }

  /** A record that is there already counts as stored: an earlier try may have succeeded without our hearing of it. */
  async #storeRecords(docs: unknown[], signal: AbortSignal): Promise<Stored[]> {
    const path = [this.#databases.activations, '_bulk_docs'];
    const request = { json: { docs }, signal };
    const results = await this.#client.json<{ error?: string; reason?: string }[]>('POST', path, request);
    return results.map(({ error, reason }) => {
      if (error === undefined || error === 'conflict') return 'stored';
      return REFUSED_FOR_GOOD.has(error) ? { refused: `${error}: ${reason ?? ''}` } : 'again';
    });
  }

  async #view(database: string, view: ViewName, range: ViewRange & ListQuery): Promise<object[]> {
    const query = {
      ...keys(range),
      reduce: false,
      include_docs: true,
      limit: range.limit,
      skip: range.skip,
    };
    const { rows } = await this.#client.json<{ rows: { doc: object | null }[] }>('GET', viewPath(database, view), {
      query,
    });
    return rows.flatMap(({ doc }) => (doc == null ? [] : [doc]));
  }

  async #count(database: string, view: ViewName, range: ViewRange): Promise<number> {
    const query = { ...keys(range), reduce: true };
    const { rows } = await this.#client.json<{ rows: { value: number }[] }>('GET', viewPath(database, view), { query });
    return rows[0]?.value ?? 0;
  }
}

interface ChangesAnswer {
  results: { id: string; deleted?: boolean; doc?: object | null }[];
  last_seq: string | number;
}

function actionChange({ id: name, deleted, doc }: ChangesAnswer['results'][number]): ActionChange {
  if (deleted === true || doc == null || documentType(doc) !== 'action') return { name };
  const parsed = ActionDocumentSchema.safeParse(doc);
  if (!parsed.success) return { name };
  const { _rev: revision, version, exec, limits } = parsed.data;
  return { name, action: { kind: exec.kind, revision, version, memoryMb: limits.memory } };
}

interface OwnDocument {
  _rev: string;
  value?: unknown;
}

/** Newest first: `from` is the higher key. */
interface ViewRange {
  from: unknown[];
  to: unknown[];
}

/** All entities of a namespace. */
const rangeOf = (namespace: string): ViewRange => ({ from: [namespace, LAST], to: [namespace, 0] });

const viewOf = (type: EntityType, { isPublic = false }: EntityFilter): ViewName =>
  type === 'package' && isPublic ? PUBLIC_PACKAGES_VIEW : ENTITY_VIEWS[type];

const keys = ({ from, to }: ViewRange): Record<string, unknown> => ({
  descending: true,
  startkey: from,
  endkey: to,
});

const viewPath = (database: string, { design, view }: ViewName): string[] => [
  database,
  '_design',
  design,
  '_view',
  view,
];

function activationRange(
  namespace: string,
  { name, since, upto }: Omit<ActivationQuery, 'limit' | 'skip'>,
): { view: ViewName; range: ViewRange } {
  const first = name === undefined ? namespace : `${namespace}/${name}`;
  const range = { from: [first, upto ?? LAST, LAST], to: [first, since ?? 0] };
  return { view: name === undefined ? ACTIVATIONS_VIEW : ACTIVATIONS_BY_NAME_VIEW, range };
}

/** Everything of an action but its code. */
function describeAction(document: ActionDocument): Action {
  const { _rev, namespace, name, version, publish, updated, parameters, annotations, limits, exec } = document;
  return {
    ...{ namespace, name, version, revision: _rev, publish, updated, parameters, annotations, limits },
    exec: describeExec(exec),
  };
}

function parseAction(document: object): ActionDocument {
  checkType('action', document);
  return parseAs(ActionDocumentSchema, document, 'action');
}

function parseEntity<T extends EntityType>(type: T, document: object): Entities[T] {
  checkType(type, document);
  const { _rev } = document as { _rev: string };
  const content = without(parseAs<object>(ENTITY_SCHEMAS[type], document, type), ['_id', '_rev', 'entityType']);
  return { ...content, revision: _rev } as Entities[T];
}

/** @throws PluginError `ERR_DOCUMENT_TYPE` */
function checkType(type: EntityType | 'action', document: object): void {
  const found = documentType(document);
  if (found === undefined || found === type) return;
  const { _id } = document as { _id?: string };
  throw new PluginError('ERR_DOCUMENT_TYPE', `${_id ?? ''} is no ${type} but a ${found}`);
}

/** Without what the database adds to a record. */
const parseActivation = (document: unknown): Activation =>
  without(parseAs(ActivationSchema, document, 'activation'), ['_id', '_rev', 'entityType', 'updated']);

function without<T extends object>(document: T, names: readonly string[]): T {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !names.includes(name))) as T;
}

/** @throws PluginError `ERR_DOCUMENT_INVALID` naming the document and its first problem */
function parseAs<T>(schema: z.ZodType<T>, document: unknown, what: string): T {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const { _id } = (document ?? {}) as { _id?: string };
  const [issue] = parsed.error.issues;
  const text = `${what} document ${_id ?? ''}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`;
  throw new PluginError('ERR_DOCUMENT_INVALID', text);
}

async function ignoring<T>(code: PluginError['code'], call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isPluginError(error, code)) return undefined;
    throw error;
  }
}
