import { DAEMON_BOUNDS } from './client';
import type {
  CollectReply,
  DaemonHealth,
  InstanceRegistration,
  InstanceView,
  IngestRow,
  InventoryReply,
  LeaseRow,
  ModelRow,
  StoreTotals,
  TensorRow,
} from './protocol';
import { ask, askText, type DaemonRequest } from './request';

/** What the invoker extension and the operator may ask (the operator socket). Errors as DaemonClient. */
export class DaemonOperator {
  readonly #socketPath: string;
  readonly #answerMs: number;

  /** @param answerMs silence of the daemon after which a request fails */
  constructor(socketPath: string, answerMs = DAEMON_BOUNDS.answerMs) {
    this.#socketPath = socketPath;
    this.#answerMs = answerMs;
  }

  /** Announces an instance before it starts, so that its (empty) view folder can be mounted. Idempotent. */
  registerInstance(token: string, registration: InstanceRegistration): Promise<InstanceView> {
    return this.#ask({
      method: 'PUT',
      path: `/v1/instances/${token}`,
      body: JSON.stringify(registration),
    });
  }

  instance(token: string): Promise<InstanceView> {
    return this.#ask({ method: 'GET', path: `/v1/instances/${token}` });
  }

  /** Every instance that is known, with what it holds. */
  instances(): Promise<InstanceView[]> {
    return this.#ask({ method: 'GET', path: '/v1/instances' });
  }

  /** Ends every lease of an instance and removes its view folder. Idempotent. */
  releaseInstance(token: string): Promise<void> {
    return this.#ask({ method: 'DELETE', path: `/v1/instances/${token}` });
  }

  /**
   * Tells the daemon where those of other nodes are. @throws PluginError `ERR_BAD_REQUEST` where it knows nothing to
   * know them by
   */
  setPeers(peers: string[]): Promise<void> {
    return this.#ask({ method: 'PUT', path: '/v1/peers', body: JSON.stringify({ peers }) });
  }

  inventory(since?: number): Promise<InventoryReply> {
    return this.#ask({
      method: 'GET',
      path: `/v1/inventory${since === undefined ? '' : `?since=${since}`}`,
    });
  }

  tensors(): Promise<TensorRow[]> {
    return this.#ask({ method: 'GET', path: '/v1/tensors' });
  }

  models(): Promise<ModelRow[]> {
    return this.#ask({ method: 'GET', path: '/v1/models' });
  }

  leases(): Promise<LeaseRow[]> {
    return this.#ask({ method: 'GET', path: '/v1/leases' });
  }

  /** Models on their way into the store. */
  ingests(): Promise<IngestRow[]> {
    return this.#ask({ method: 'GET', path: '/v1/ingests' });
  }

  /** Ends an ingest for all who wait for it. @throws PluginError `ERR_INGEST_UNKNOWN` */
  abortIngest(ingestId: string): Promise<void> {
    return this.#ask({ method: 'DELETE', path: `/v1/ingests/${encodeURIComponent(ingestId)}` });
  }

  totals(): Promise<StoreTotals> {
    return this.#ask({ method: 'GET', path: '/v1/totals' });
  }

  collect(): Promise<CollectReply> {
    return this.#ask({ method: 'POST', path: '/v1/collect' });
  }

  health(): Promise<DaemonHealth> {
    return this.#ask({ method: 'GET', path: '/v1/health' });
  }

  /** The daemon's metrics in the text format of Prometheus. */
  metrics(): Promise<string> {
    return askText(this.#socketPath, { method: 'GET', path: '/metrics', silenceMs: this.#answerMs });
  }

  #ask<T>(asked: Omit<DaemonRequest, 'silenceMs'>): Promise<T> {
    return ask(this.#socketPath, { ...asked, silenceMs: this.#answerMs });
  }
}
