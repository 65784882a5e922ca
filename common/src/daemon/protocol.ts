/**
 * The tensor daemon's protocol: HTTP/1.1 over two Unix sockets.
 *
 * The **instance socket** is mounted into action containers. It can lease and upload, nothing else.
 * The **operator socket** is for the invoker extension and the operator: it lists, registers and releases.
 *
 * A lease is a response that stays open: `POST /v1/leases` answers with lines of JSON ({@link LeaseEvent}), and after
 * `leased` the connection stays silent until either side ends it; a further request on it ends it too. Its end, for
 * whatever reason, releases the view. A frozen container keeps its connection, a killed one loses it.
 *
 * | socket | request | reply |
 * | --- | --- | --- |
 * | instance | `POST /v1/leases` {@link LeaseRequest} | 200, NDJSON of {@link LeaseEvent} |
 * | instance | `PUT /v1/uploads` raw bytes, header `x-tetris-instance`: the token, where there is one | 200 {@link UploadReply} |
 * | instance | `POST /v1/private-loads` {@link PrivateLoad} | 204: counted, nothing else |
 * | both | `GET /v1/health` | 200 {@link DaemonHealth} |
 * | operator | `PUT /v1/instances/:token` {@link InstanceRegistration} | 200 {@link InstanceView} |
 * | operator | `GET /v1/instances/:token` | 200 {@link InstanceView} |
 * | operator | `GET /v1/instances` | 200 list of {@link InstanceView} |
 * | operator | `DELETE /v1/instances/:token` | 204, also when unknown: releases every view of the instance |
 * | operator | `PUT /v1/peers` {@link PeerList} | 204: daemons of other nodes that may be asked for models, beside the configured ones |
 * | operator | `GET /v1/inventory?since=N` | 200 {@link InventoryReply} |
 * | operator | `GET /v1/tensors`, `/v1/models`, `/v1/leases`, `/v1/totals` | 200 lists and {@link StoreTotals} |
 * | operator | `GET /v1/ingests` | 200 list of {@link IngestRow} |
 * | operator | `DELETE /v1/ingests/:id` | 204: ends it for all who wait; 404 where there is none |
 * | operator | `POST /v1/collect` | 200 {@link CollectReply}: drop what is unreferenced, now |
 * | operator | `GET /metrics` | 200 Prometheus text |
 *
 * Errors are `{"error": WireError}` with status 400 (caller's fault), 404, 413, 429 (a bound was hit), 507 (store
 * full) or 500; on a lease whose stream has begun they are a `failed` event.
 */
import { z } from 'zod';
import type { WireError } from '../errors';
import type { InventoryDelta, InventorySnapshot, TensorRef } from '../registry/registry';

/** SHA-256, lowercase hex. */
export const DigestSchema = z.string().regex(/^[0-9a-f]{64}$/);

/** Unguessable; also the name of the instance's view folder. */
export const InstanceTokenSchema = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/);

/** What a request can hold; the daemon's `externalFilesMax` may allow less. */
export const EXTERNAL_FILES_MAX = 16_384;

const LOCATION_CHARS_MAX = 4096;

/** Where a model comes from. */
export const ModelSourceSchema = z.discriminatedUnion('kind', [
  /** A file under one of the daemon's registered roots. Size and mtime are what the caller sees: both must agree. */
  z.object({
    kind: z.literal('file'),
    path: z.string().max(4096),
    bytes: z.number().int().min(0),
    mtimeMs: z.number(),
  }),
  /** A URL that one of the daemon's configured sources allows. */
  z.object({ kind: z.literal('url'), url: z.string().max(4096) }),
  /** Bytes whose digest the caller computed; `ERR_MODEL_UNKNOWN` asks it to upload them. */
  z.object({
    kind: z.literal('digest'),
    sha256: DigestSchema,
    /** Of the model's file, where the caller says: a model that can never fit is refused before it is sent. */
    bytes: z.number().int().min(0).optional(),
    /** External data files of the model by their location relative to it. */
    externalData: z
      .array(
        z.object({
          location: z.string().max(LOCATION_CHARS_MAX),
          sha256: DigestSchema,
          bytes: z.number().int().min(0).optional(),
        }),
      )
      .max(EXTERNAL_FILES_MAX)
      .default([]),
  }),
]);
export type ModelSource = z.infer<typeof ModelSourceSchema>;

/** Session options that change the saved graph, hence part of the model's key. */
export const GraphOptionsSchema = z.object({
  graphOptimizationLevel: z.enum(['disabled', 'basic', 'extended', 'layout', 'all']).default('all'),
  /** At most 64, by dimension. */
  freeDimensionOverrides: z
    .record(z.string().max(256), z.number().int())
    .refine((overrides) => Object.keys(overrides).length <= 64, 'more than 64 dimensions')
    .default({}),
});
export type GraphOptions = z.infer<typeof GraphOptionsSchema>;

export const LeaseRequestSchema = z.object({
  /** The instance's token; without one (L1) the daemon makes one for this connection. */
  instance: InstanceTokenSchema.optional(),
  /** Invoking namespace as the caller says; a registered instance's namespace wins over it. */
  namespace: z.string().max(256).default('_'),
  /** Name for messages and listings: the path or URL the user wrote. */
  name: z.string().max(1024).default(''),
  source: ModelSourceSchema,
  graph: GraphOptionsSchema.prefault({}),
});
export type LeaseRequest = z.input<typeof LeaseRequestSchema>;

export type IngestPhase = 'fetch' | 'optimize' | 'publish';

/** A line of a lease's stream. */
export type LeaseEvent =
  /** Ingest goes on; `done` of `total` bytes, `total` 0 where unknown. */
  | { event: 'progress'; phase: IngestPhase; done: number; total: number }
  | ({ event: 'leased' } & LeaseGrant)
  | { event: 'failed'; error: WireError };

/** What a lease grants. */
export interface LeaseGrant {
  leaseId: string;
  modelKey: string;
  /** Path of the graph relative to the views folder: `<instance>/<modelKey>/model.onnx`. */
  view: string;
  /** Bytes of the model's tensors in the store, and their count. */
  tensorBytes: number;
  tensors: number;
  /** True where nothing had to be ingested. */
  warm: boolean;
}

export interface UploadReply {
  /** Computed by the daemon over the bytes it wrote. */
  sha256: string;
  bytes: number;
}

/** A model that an instance has loaded privately. */
export interface PrivateLoad {
  /** A `SharingFailure`, or an `UnshareableReason` of onnx-format. */
  reason: string;
}

export interface DaemonHealth {
  version: string;
  /** `ready`, or `draining` while it stops. */
  state: 'ready' | 'draining';
}

/** Most models whose views can be prepared for an instance. */
const PREPARED_MAX = 64;

export const InstanceRegistrationSchema = z.object({
  namespace: z.string().max(256),
  /** SHA-256 of models, as they came, that it is expected to lease: their views are made while it starts. */
  models: z.array(DigestSchema).max(PREPARED_MAX).default([]),
});
export type InstanceRegistration = z.input<typeof InstanceRegistrationSchema>;

/** Most daemons that can be named to another: what fits into a request. */
export const PEERS_MAX = 1024;

/** All of them, each by its URL; what was said before is forgotten. */
export const PeerListSchema = z.object({ peers: z.array(z.string().max(200)).max(PEERS_MAX) });
export type PeerList = z.infer<typeof PeerListSchema>;

/** What an instance holds. */
export interface InstanceView {
  instance: string;
  namespace: string;
  /** Absolute path, on the daemon's side, of the folder to mount into the container. */
  viewPath: string;
  /** `source`: SHA-256 of the model as it came. */
  models: { modelKey: string; name: string; source?: string; tensors: TensorRef[] }[];
}

/** `snapshot` when `since` is too old or absent, else the deltas after it. */
export type InventoryReply = { snapshot: InventorySnapshot } | { deltas: InventoryDelta[]; sequence: number };

/** Totals of a node's store. */
export interface StoreTotals {
  models: number;
  tensors: number;
  leases: number;
  instances: number;
  /** Bytes of tensor files (allocated blocks), each once. */
  uniqueBytes: number;
  /** The same if every lease had its own copy. */
  unsharedBytes: number;
  /** uniqueBytes of tensors that some lease holds. */
  leasedBytes: number;
  budgetBytes: number;
}

export interface TensorRow extends TensorRef {
  /** Leases that hold it. */
  references: number;
  models: number;
}

export interface ModelRow {
  modelKey: string;
  name: string;
  /** SHA-256 of the model as it came. */
  source: string;
  tensors: number;
  bytes: number;
  /** Cost of making it again, ms. */
  ingestMs: number;
  leases: number;
}

export interface LeaseRow {
  leaseId: string;
  instance: string;
  namespace: string;
  modelKey: string;
  name: string;
  /** Epoch ms. */
  sinceMs: number;
}

/** A model on its way into the store. */
export interface IngestRow {
  ingestId: string;
  modelKey: string;
  name: string;
  /** Of the one who asked first; empty where the operator vouches for none. */
  namespace: string;
  phase: 'queued' | IngestPhase;
  /** Bytes of the phase; 0 where unknown. */
  done: number;
  total: number;
  /** Leases that wait for it. */
  waiting: number;
  /** Epoch ms. */
  sinceMs: number;
}

export interface CollectReply {
  tensors: number;
  bytes: number;
}
