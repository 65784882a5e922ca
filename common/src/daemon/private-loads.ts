/**
 * Reasons for which a model that could be shared is loaded privately, where the model itself is not the reason (those
 * are `UNSHAREABLE_REASONS` of onnx-format). Both lists together are the values of a metric's label.
 */
export const SHARING_FAILURES = [
  /** The session's options ask for something that belongs to one session. */
  'session-options',
  /** No daemon is configured. */
  'no-daemon',
  /** Nobody answers, or the connection breaks. */
  'daemon-unavailable',
  /** The daemon answers, and not within the time that a load waits for it. */
  'daemon-slow',
  /** A queue or limit is full, after a few attempts. */
  'daemon-busy',
  /** The store has no room. */
  'store-full',
  /** The model is larger than the daemon takes. */
  'too-large',
  /** The optimizer's process was ended by its limits, or crashed. */
  'ingest-failed',
  /** The daemon does not serve this instance, or this request, at all. */
  'refused',
  /** The instance cannot read the model's files, or they change meanwhile. */
  'unreadable',
  /** The instance cannot load what the daemon has granted. */
  'view-not-loaded',
] as const;
export type SharingFailure = (typeof SHARING_FAILURES)[number];
