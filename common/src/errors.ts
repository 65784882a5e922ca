/**
 * One home for the errors that cross a component boundary.
 *
 * A code is part of the interface: it never changes its meaning. Across threads, processes and sockets an error
 * travels as {@link WireError} and is matched on `code`, never on `instanceof`.
 */

/** Every stable error code of the plugin. Group prefix = where it is decided. */
export type ErrorCode =
  // Configuration and start-up.
  | 'ERR_CONFIG_INVALID'
  // A model that cannot be used; the text names the model and the reason.
  | 'ERR_MODEL_UNKNOWN' // nothing with this digest is stored or uploaded: upload it first
  | 'ERR_MODEL_NOT_FOUND' // the file or URL does not exist
  | 'ERR_MODEL_INVALID' // corrupt, truncated, not ONNX, unsupported operator or opset
  | 'ERR_MODEL_TOO_LARGE'
  | 'ERR_MODEL_PATH_OUTSIDE' // a path outside the action's folder and the registered roots
  | 'ERR_MODEL_SOURCE_UNKNOWN' // a URL or scheme that no configured source allows
  | 'ERR_MODEL_FETCH_FAILED'
  | 'ERR_MODEL_UNSHAREABLE' // valid, but cannot be cut into tensors: use a private session
  | 'ERR_INGEST_FAILED' // the optimizer child was killed, ran out of memory or time
  | 'ERR_INGEST_UNKNOWN' // no ingest of this id is under way
  // The store and its leases.
  | 'ERR_STORE_FULL'
  | 'ERR_LEASE_UNKNOWN'
  | 'ERR_LEASE_LIMIT'
  | 'ERR_INSTANCE_UNKNOWN'
  | 'ERR_UPLOAD_LIMIT'
  | 'ERR_DAEMON_UNAVAILABLE'
  | 'ERR_BAD_REQUEST'
  // OpenWhisk messages, documents and transport.
  | 'ERR_MESSAGE_INVALID'
  | 'ERR_MESSAGE_TOO_LARGE'
  | 'ERR_BUS_UNAVAILABLE'
  | 'ERR_DOCUMENT_NOT_FOUND'
  | 'ERR_DOCUMENT_CONFLICT'
  | 'ERR_DOCUMENT_INVALID'
  | 'ERR_DOCUMENT_TYPE' // the id belongs to an entity of another type
  | 'ERR_STORE_UNAVAILABLE'
  // Instances and activations.
  | 'ERR_CONTAINER_START'
  | 'ERR_CONTAINER_GONE'
  | 'ERR_CONTAINER_TIMEOUT'
  // Pods, as causes of ERR_CONTAINER_START and in logs.
  | 'ERR_POD_QUOTA' // a resource quota of the namespace is used up
  | 'ERR_POD_ADMISSION' // an admission policy, PodSecurity or a webhook refused the pod
  | 'ERR_POD_FORBIDDEN' // the service account may not create pods
  | 'ERR_POD_IMAGE' // the image cannot be pulled
  | 'ERR_POD_NODE' // there is no room for it on the node, or the node refused it
  | 'ERR_POD_EVICTED' // ended for the sake of the node or of other pods
  | 'ERR_POD_ENDED' // its container could not be run, or has ended
  | 'ERR_POD_GONE' // somebody else has deleted it
  | 'ERR_POD_TIMEOUT' // it did not listen in time
  | 'ERR_KUBERNETES_API' // the API server refused a call or did not answer
  | 'ERR_NO_CAPACITY'
  | 'ERR_DEADLINE'
  | 'ERR_QUEUE_FULL'
  | 'ERR_WORKER_FAILED'
  | 'ERR_INTERNAL';

/** The form in which an error crosses a thread, process or socket. */
export interface WireError {
  code: ErrorCode;
  message: string;
  retriable: boolean;
  /** As {@link PluginErrorOptions.fields}; absent where there are none. */
  fields?: Readonly<Record<string, string | number | boolean>>;
}

/** Options of {@link PluginError}. */
export interface PluginErrorOptions {
  /** May the same call succeed later without a change by the caller? @default false */
  retriable?: boolean;
  cause?: unknown;
  /** Ids that place the error: activationId, modelKey, topic, ... Never secrets. */
  fields?: Readonly<Record<string, string | number | boolean>>;
}

/** The plugin's only error class: a code, what was wrong with which input, and what to do. */
export class PluginError extends Error {
  readonly code: ErrorCode;
  readonly retriable: boolean;
  readonly fields: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, options: PluginErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retriable = options.retriable ?? false;
    this.fields = options.fields ?? {};
  }

  /** The form for the wire; the cause and the stack stay here. */
  toWire(): WireError {
    const { code, message, retriable, fields } = this;
    return { code, message, retriable, ...(Object.keys(fields).length > 0 && { fields }) };
  }

  static fromWire(wire: WireError): PluginError {
    const { code, message, retriable, fields = {} } = wire;
    return new PluginError(code, message, { retriable, fields });
  }
}

/** True for a {@link PluginError}, also one that was made in another realm or copy of this package. */
export function isPluginError(error: unknown, code?: ErrorCode): error is PluginError {
  if (!(error instanceof Error) || !('code' in error) || !('retriable' in error) || !('fields' in error)) return false;
  return code === undefined || error.code === code;
}

/** Any thrown value as a {@link PluginError}; what is not one already becomes `ERR_INTERNAL` with its cause. */
export function asPluginError(error: unknown): PluginError {
  if (isPluginError(error)) return error;
  return new PluginError('ERR_INTERNAL', errorMessage(error), { cause: error });
}

/** The text of any thrown value. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
