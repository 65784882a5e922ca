import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { asPluginError, errorMessage, PluginError, type WireError } from '../errors';
import type {
  CollectReply,
  DaemonHealth,
  InstanceRegistration,
  InstanceView,
  InventoryReply,
  LeaseEvent,
  LeaseGrant,
  LeaseRequest,
  LeaseRow,
  ModelRow,
  StoreTotals,
  TensorRow,
  UploadReply,
} from './protocol';

/** A held lease. Ending the process that holds it, for whatever reason, releases it too. */
export interface Lease extends LeaseGrant {
  /** Gives the lease back; idempotent. */
  release(): void;
  /** Resolves when the lease has ended, by {@link Lease.release} or because the daemon went away. */
  readonly ended: Promise<void>;
}

export type ProgressListener = (progress: Extract<LeaseEvent, { event: 'progress' }>) => void;

/** Header of `PUT /v1/uploads`: the token of the instance that uploads, where it has one. */
export const INSTANCE_HEADER = 'x-tetris-instance';

/** Time within which the daemon must begin to answer a request that needs no ingest. */
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * What an instance may ask of the daemon (the instance socket).
 *
 * @throws from every method PluginError with the daemon's code, or `ERR_DAEMON_UNAVAILABLE` (retriable) when nobody answers
 */
export class DaemonClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Leases a model, ingesting it first where nobody has. Each lease has a connection of its own. */
  async lease(wanted: LeaseRequest, onProgress?: ProgressListener): Promise<Lease> {
    try {
      const body = JSON.stringify(wanted);
      const reply = await open(this.#socketPath, { method: 'POST', path: '/v1/leases', body, timeoutMs: 0 });
      if (reply.statusCode !== 200) throw wireErrorOf(await textOf(reply));
      return await readLease(reply, onProgress).catch((error: unknown) => {
        reply.destroy();
        throw error;
      });
    } catch (error) {
      throw unavailable(error, this.#socketPath);
    }
  }

  /**
   * Sends a model's bytes; the daemon keeps them for a while, so that a lease by their digest finds them.
   * @param instance the instance's token, where it has one
   */
  async upload(bytes: Uint8Array | Readable, instance?: string): Promise<UploadReply> {
    return call(this.#socketPath, { method: 'PUT', path: '/v1/uploads', body: bytes, timeoutMs: 0, instance });
  }

  async health(): Promise<DaemonHealth> {
    return call(this.#socketPath, { method: 'GET', path: '/v1/health' });
  }
}

/** What the invoker extension and the operator may ask (the operator socket). Errors as {@link DaemonClient}. */
export class DaemonOperator {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Announces an instance before it starts, so that its (empty) view folder can be mounted. Idempotent. */
  registerInstance(token: string, registration: InstanceRegistration): Promise<InstanceView> {
    return call(this.#socketPath, {
      method: 'PUT',
      path: `/v1/instances/${token}`,
      body: JSON.stringify(registration),
    });
  }

  instance(token: string): Promise<InstanceView> {
    return call(this.#socketPath, { method: 'GET', path: `/v1/instances/${token}` });
  }

  /** Every instance that is known, with what it holds. */
  instances(): Promise<InstanceView[]> {
    return call(this.#socketPath, { method: 'GET', path: '/v1/instances' });
  }

  /** Ends every lease of an instance and removes its view folder. Idempotent. */
  releaseInstance(token: string): Promise<void> {
    return call(this.#socketPath, { method: 'DELETE', path: `/v1/instances/${token}` });
  }

  /** Tells the daemon where those of other nodes are. @throws PluginError `ERR_BAD_REQUEST` where it knows nothing to know them by */
  setPeers(peers: string[]): Promise<void> {
    return call(this.#socketPath, { method: 'PUT', path: '/v1/peers', body: JSON.stringify({ peers }) });
  }

  inventory(since?: number): Promise<InventoryReply> {
    return call(this.#socketPath, {
      method: 'GET',
      path: `/v1/inventory${since === undefined ? '' : `?since=${since}`}`,
    });
  }

  tensors(): Promise<TensorRow[]> {
    return call(this.#socketPath, { method: 'GET', path: '/v1/tensors' });
  }

  models(): Promise<ModelRow[]> {
    return call(this.#socketPath, { method: 'GET', path: '/v1/models' });
  }

  leases(): Promise<LeaseRow[]> {
    return call(this.#socketPath, { method: 'GET', path: '/v1/leases' });
  }

  totals(): Promise<StoreTotals> {
    return call(this.#socketPath, { method: 'GET', path: '/v1/totals' });
  }

  collect(): Promise<CollectReply> {
    return call(this.#socketPath, { method: 'POST', path: '/v1/collect' });
  }

  health(): Promise<DaemonHealth> {
    return call(this.#socketPath, { method: 'GET', path: '/v1/health' });
  }

  /** The daemon's metrics in the text format of Prometheus. */
  metrics(): Promise<string> {
    return callText(this.#socketPath, { method: 'GET', path: '/metrics' });
  }
}

interface Call {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  path: string;
  body?: string | Uint8Array | Readable;
  /** Token of the instance that calls. */
  instance?: string | undefined;
  /** Silence after which the call fails; 0 waits for ever (leases, uploads of slow producers). */
  timeoutMs?: number;
}

/**
 * One request on a connection of its own; resolves with the reply's head. `node:http` rather than a client library,
 * because this runs inside every function instance, where each megabyte counts.
 */
function open(
  socketPath: string,
  { method, path, body, instance, timeoutMs = REQUEST_TIMEOUT_MS }: Call,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const type = typeof body === 'string' ? 'application/json' : 'application/octet-stream';
    const headers = {
      ...(body !== undefined && { 'content-type': type }),
      ...(instance !== undefined && instance !== '' && { [INSTANCE_HEADER]: instance }),
    };
    const call = request({ socketPath, method, path, headers, timeout: timeoutMs, agent: false });
    call.once('response', resolve);
    call.once('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    call.on('error', reject);
    if (body instanceof Readable) {
      body.once('error', (error) => call.destroy(error));
      body.pipe(call);
    } else {
      call.end(body);
    }
  });
}

async function call<T>(socketPath: string, options: Call): Promise<T> {
  const text = await callText(socketPath, options);
  try {
    return (text === '' ? undefined : JSON.parse(text)) as T;
  } catch (error) {
    throw unavailable(error, socketPath);
  }
}

async function callText(socketPath: string, options: Call): Promise<string> {
  try {
    const reply = await open(socketPath, options);
    const text = await textOf(reply);
    if ((reply.statusCode ?? 500) >= 300) throw wireErrorOf(text);
    return text;
  } catch (error) {
    throw unavailable(error, socketPath);
  }
}

async function textOf(reply: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

async function readLease(body: Readable, onProgress?: ProgressListener): Promise<Lease> {
  const iterator = lines(body);
  for (;;) {
    const { value, done } = await iterator.next();
    if (done === true) {
      throw new PluginError('ERR_DAEMON_UNAVAILABLE', 'the tensor daemon ended the lease while it was being made', {
        retriable: true,
      });
    }
    const event = JSON.parse(value) as LeaseEvent;
    if (event.event === 'progress') onProgress?.(event);
    if (event.event === 'failed') throw PluginError.fromWire(event.error);
    if (event.event === 'leased') {
      const { leaseId, modelKey, view, tensorBytes, tensors, warm } = event;
      const ended = (async (): Promise<void> => {
        try {
          while ((await iterator.next()).done !== true);
        } catch {
          // The connection broke: ended all the same.
        }
      })();
      return { leaseId, modelKey, view, tensorBytes, tensors, warm, ended, release: () => body.destroy() };
    }
  }
}

async function* lines(body: Readable): AsyncGenerator<string, void, void> {
  let rest = '';
  for await (const chunk of body.setEncoding('utf8')) {
    rest += chunk as string;
    for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n')) {
      yield rest.slice(0, at);
      rest = rest.slice(at + 1);
    }
  }
}

function wireErrorOf(text: string): PluginError {
  try {
    const { error } = JSON.parse(text) as { error: WireError };
    return PluginError.fromWire(error);
  } catch {
    return new PluginError('ERR_INTERNAL', `the tensor daemon answered: ${text.slice(0, 200)}`);
  }
}

/** Errors of the connection itself become `ERR_DAEMON_UNAVAILABLE`; the daemon's own stay what they are. */
function unavailable(error: unknown, socketPath: string): PluginError {
  const plugin = asPluginError(error);
  if (plugin.code !== 'ERR_INTERNAL' || plugin.cause === undefined) return plugin;
  return new PluginError(
    'ERR_DAEMON_UNAVAILABLE',
    `no answer from the tensor daemon at ${socketPath}: ${errorMessage(error)}`,
    {
      retriable: true,
      cause: error,
    },
  );
}
