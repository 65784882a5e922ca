import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  asPluginError,
  type GraphOptions,
  type InstanceView,
  type LeaseGrant,
  type ModelSource,
  PluginError,
} from '@tetris/common';
import { faultPoint } from '../fault';
import type { IngestListener } from '../ingest/flights';
import type { Ingest, IngestRequest } from '../ingest/ingest';
import { ChangedError, type ModelFiles, withFiles } from '../source/model-files';
import type { Sources } from '../source/sources';
import type { DaemonMetrics } from '../metrics';
import { onAbort } from '../on-abort';
import type { Reclaimer } from '../store/reclaimer';
import type { Model } from '../store/catalog';
import { GRAPH_FILE, MANIFEST_FILE } from '../store/layout';
import { readManifest } from '../store/manifest';
import type { Registrations } from '../store/registrations';
import type { Store } from '../store/store';
import type { Views } from '../store/views';
import { type Sharing, type Tenant, tenantOf } from '../tenant';
import type { Effects, LeaseTable, ViewId } from './lease-table';

/** What a lease asks for. */
export interface LeaseSpec {
  instance?: string | undefined;
  namespace: string;
  name: string;
  source: ModelSource;
  graph: GraphOptions;
}

/** A lease's holder, as the service sees it. */
export interface LeaseHolder {
  /** Its end, for whatever reason, ends the lease. */
  readonly signal: AbortSignal;
  progress(...event: Parameters<IngestListener>): void;
  /** The lease was ended from this side. */
  ended(): void;
}

/** Attempts at a view of a model that is reclaimed in the same moment. */
const VIEW_ATTEMPTS_MAX = 3;

/** Attempts at a source that turns out to hold something else than it was thought to. */
const SOURCE_ATTEMPTS_MAX = 2;

/** Carries leases out: sources, ingest and views around the pure table. */
export class LeaseService {
  readonly #parts: LeaseServiceParts;
  readonly #holders = new Map<string, LeaseHolder>();
  /** The last change under way of each view. */
  readonly #changes = new Map<string, Promise<unknown>>();
  #stopping = false;

  constructor(parts: LeaseServiceParts) {
    this.#parts = parts;
  }

  /**
   * Grants a lease, which lasts until its holder's signal aborts or the instance is released.
   * @throws PluginError with the reason; nothing is held then
   */
  async lease(spec: LeaseSpec, holder: LeaseHolder): Promise<LeaseGrant> {
    const { metrics } = this.#parts;
    const startMs = performance.now();
    for (let attempt = 1; ; attempt++) {
      try {
        const grant = await this.#attempt(spec, holder);
        metrics.leaseSeconds.observe({ warm: String(grant.warm) }, (performance.now() - startMs) / 1000);
        return grant;
      } catch (error) {
        if (error instanceof ChangedError && attempt < SOURCE_ATTEMPTS_MAX) continue;
        const named = naming(error, spec);
        metrics.leaseFailures.inc({ code: named.code });
        throw named;
      }
    }
  }

  async #attempt(spec: LeaseSpec, holder: LeaseHolder): Promise<LeaseGrant> {
    const { table, now } = this.#parts;
    const instance = spec.instance ?? randomBytes(24).toString('base64url');
    const leaseId = randomBytes(12).toString('base64url');
    const caller = this.tenant(spec.instance);
    table.request(leaseId, { ...spec, instance }, now());
    this.#holders.set(leaseId, holder);
    onAbort(holder.signal, () => this.#stopping || void this.end(leaseId));
    try {
      if (holder.signal.aborted) throw ended();
      return await this.#grant(leaseId, instance, caller, spec, holder);
    } catch (error) {
      const isOver = table.lease(leaseId) === undefined;
      await this.end(leaseId);
      throw holder.signal.aborted || (isOver && error instanceof ChangedError) ? ended() : error;
    }
  }

  /**
   * From now on the end of a connection means that this daemon stops, not that the holder did: what living instances
   * hold stays for the next daemon, as after a crash.
   */
  stop(): void {
    this.#stopping = true;
  }

  /**
   * Who stands behind a caller. @throws PluginError `ERR_INSTANCE_UNKNOWN` where only registered instances are served
   */
  tenant(instance: string | undefined): Tenant {
    const { table, sharing, registeredOnly } = this.#parts;
    const namespace = table.namespaceOf(instance);
    if (registeredOnly && namespace === '') throw unregistered();
    return tenantOf(sharing, instance, namespace);
  }

  /** Ends a lease. Idempotent; never rejects: what cannot be removed of it now is removed later. */
  async end(leaseId: string): Promise<void> {
    this.#holders.delete(leaseId);
    await this.#carryOut(this.#parts.table.end(leaseId));
  }

  registerInstance(instance: string, namespace: string): InstanceView {
    const { table, registrations, views } = this.#parts;
    const isNew = table.instance(instance) === undefined;
    table.register(instance, namespace);
    try {
      registrations.write(instance, namespace);
      views.addInstance(instance);
    } catch (error) {
      if (isNew) void this.releaseInstance(instance);
      throw error;
    }
    faultPoint('instance:folder');
    return this.instance(instance);
  }

  /**
   * Makes the views of models that an instance is expected to lease, as far as the store has them. Never rejects: what
   * is not there is made by the lease.
   * @param sources SHA-256 of models as they came
   */
  async prepare(instance: string, sources: readonly string[]): Promise<void> {
    const { table, store, views, sharing } = this.#parts;
    const { scope } = tenantOf(sharing, instance, table.namespaceOf(instance));
    const expected = [...store.catalog.models()].filter((model) => sources.includes(model.source));
    for (const { modelKey, tensors } of expected) {
      const view = { instance, modelKey };
      const shared = readManifest(join(store.layout.model(modelKey), MANIFEST_FILE));
      if (shared === undefined || (shared.scope ?? '') !== scope || !table.retain(view)) continue;
      await store.cleanups.attempt(`view ${instance}/${modelKey}`, () =>
        this.#changeView(view, async () => {
          if (table.viewInUse(view) && !store.hasView(instance, modelKey))
            await views.make(instance, modelKey, tensors);
        }),
      );
    }
  }

  /** @throws PluginError `ERR_INSTANCE_UNKNOWN` */
  instance(token: string): InstanceView {
    const { table, store } = this.#parts;
    const entry = table.instance(token);
    if (entry === undefined) throw new PluginError('ERR_INSTANCE_UNKNOWN', `there is no instance '${token}'`);
    const modelKeys = new Set(entry.retained);
    for (const { modelKey } of entry.leases.values()) if (modelKey !== undefined) modelKeys.add(modelKey);
    const models = [...modelKeys].map((key) => store.catalog.model(key)).filter((model) => model !== undefined);
    return {
      instance: token,
      namespace: entry.namespace,
      viewPath: store.layout.instanceViews(token),
      models: models.map(({ modelKey, name, source, tensors }) => ({
        modelKey,
        name,
        source,
        tensors: tensors.map(({ sha256, bytes }) => ({ sha256, bytes })),
      })),
    };
  }

  instances(): InstanceView[] {
    return [...this.#parts.table.instances()].map(({ instance }) => this.instance(instance));
  }

  async releaseInstance(token: string): Promise<void> {
    const { registrations, store, table } = this.#parts;
    const effects = table.releaseInstance(token);
    // First, so that after a crash in between its views go.
    await store.cleanups.attempt(`registration ${token}`, () => {
      if (table.instance(token) === undefined) registrations.remove(token);
    });
    faultPoint('instance:unregistered');
    await this.#carryOut(effects);
  }

  /** Ends what has outlived its time. */
  async expire(nowMs: number): Promise<void> {
    await this.#carryOut(this.#parts.table.expire(nowMs));
  }

  /** Does what the table says has to be done. */
  async #carryOut({ endLeases, dropViews, dropInstances }: Effects): Promise<void> {
    for (const leaseId of endLeases) {
      this.#holders.get(leaseId)?.ended();
      this.#holders.delete(leaseId);
    }
    await Promise.all(dropViews.map((view) => this.#dropUnused(view)));
    if (dropInstances.length > 0) faultPoint('instance:released');
    for (const instance of dropInstances) await this.#dropInstance(instance);
  }

  /** Removes what an instance that is gone has had; later, where that fails and it is still gone then. */
  async #dropInstance(instance: string): Promise<void> {
    const { table, registrations, views, store } = this.#parts;
    await store.cleanups.attempt(`instance ${instance}`, () => {
      if (table.instance(instance) !== undefined) return;
      registrations.remove(instance);
      views.removeInstance(instance);
      faultPoint('instance:removed');
    });
  }

  async #grant(
    leaseId: string,
    instance: string,
    caller: Tenant,
    spec: LeaseSpec,
    holder: LeaseHolder,
  ): Promise<LeaseGrant> {
    const { table, sources, store, keyOf, sharing } = this.#parts;
    const files = await sources.files(spec.source, holder, caller);
    const tenant = tenantOf(sharing, instance, caller.namespace);
    const modelKey = keyOf(files, spec.graph, tenant.scope);
    if (!table.bind(leaseId, modelKey)) throw ended();
    faultPoint('lease:bound');
    const warm = store.catalog.model(modelKey) !== undefined;
    const view = { instance, modelKey };
    const model = await withFiles(files, () => this.#makeView(view, { ...spec, files, tenant }, holder));
    faultPoint('lease:made');
    if (!table.grant(leaseId)) {
      await this.#dropUnused(view);
      throw ended();
    }
    return {
      leaseId,
      modelKey,
      view: `${instance}/${modelKey}/${GRAPH_FILE}`,
      tensorBytes: model.tensors.reduce((sum, { bytes }) => sum + bytes, 0),
      tensors: model.tensors.length,
      warm,
    };
  }

  /** The model's view, and the model itself where the store lacks it. */
  async #makeView(
    view: ViewId,
    { name, graph, files, tenant }: Pick<IngestRequest, 'name' | 'graph' | 'files' | 'tenant'>,
    holder: LeaseHolder,
  ): Promise<Model> {
    const { table, store, ingest, reclaimer, views } = this.#parts;
    const { instance, modelKey } = view;
    for (let attempt = 0; attempt < VIEW_ATTEMPTS_MAX; attempt++) {
      const model =
        store.catalog.model(modelKey) ??
        (await ingest.ingest(
          { modelKey, name, files, graph, tenant },
          (...event) => holder.progress(...event),
          holder.signal,
        ));
      reclaimer.used(modelKey);
      const made = await this.#changeView(view, async () => {
        if (!table.viewInUse(view)) throw ended();
        if (store.hasView(instance, modelKey)) return true;
        return views.make(instance, modelKey, model.tensors);
      });
      if (made) return model;
      // Something of it was removed behind our back: not a model any more.
      store.removeModel(modelKey);
    }
    throw new PluginError('ERR_INGEST_FAILED', 'its tensors vanish from the store', { retriable: true });
  }

  /** Removes a view that nobody uses; later, where that fails and it is still unused then. */
  async #dropUnused(view: ViewId): Promise<void> {
    const { table, views, store } = this.#parts;
    const { instance, modelKey } = view;
    await store.cleanups.attempt(`view ${instance}/${modelKey}`, () =>
      this.#changeView(view, async () => {
        if (!table.viewInUse(view)) await views.remove(instance, modelKey);
      }),
    );
  }

  /** Changes of one view come one after the other. */
  #changeView<T>({ instance, modelKey }: ViewId, change: () => Promise<T>): Promise<T> {
    const key = `${instance}/${modelKey}`;
    const result = (this.#changes.get(key) ?? Promise.resolve()).then(change);
    const settled = result
      .catch(() => undefined)
      .then(() => {
        if (this.#changes.get(key) === settled) this.#changes.delete(key);
      });
    this.#changes.set(key, settled);
    return result;
  }
}

export interface LeaseServiceParts {
  table: LeaseTable;
  store: Store;
  views: Views;
  registrations: Registrations;
  sources: Pick<Sources, 'files'>;
  ingest: Pick<Ingest, 'ingest'>;
  reclaimer: Reclaimer;
  keyOf: (files: ModelFiles, graph: GraphOptions, scope: string) => string;
  sharing: Sharing;
  /** Whether instances that the operator has not registered are refused. */
  registeredOnly: boolean;
  metrics: Pick<DaemonMetrics, 'leaseSeconds' | 'leaseFailures'>;
  now: () => number;
}

/** The error with the model's name in front, for the person who reads it. */
function naming(error: unknown, { name, source }: LeaseSpec): PluginError {
  const { code, message, retriable, fields } = asPluginError(error);
  const known =
    name !== '' ? name : source.kind === 'file' ? source.path : source.kind === 'url' ? source.url : source.sha256;
  return new PluginError(code, `model '${known}': ${message}`, { retriable, fields, cause: error });
}

function unregistered(): PluginError {
  return new PluginError('ERR_INSTANCE_UNKNOWN', 'only instances that the operator has registered are served');
}

function ended(): PluginError {
  return new PluginError('ERR_LEASE_UNKNOWN', 'the lease was ended while it was being made');
}
