/** What the profiler finds out about a model. Latencies in ms, sizes in bytes, rates in requests per second. */
import { z } from 'zod';

export const GRAPH_VARIANTS = ['plain', 'optimized', 'int8'] as const;
/** The model as it came, after onnxruntime's optimizations, or with weights quantized dynamically to int8. */
export type GraphVariant = (typeof GRAPH_VARIANTS)[number];

/** One configuration of one instance. */
export const ProfilePointSchema = z.object({
  variant: z.enum(GRAPH_VARIANTS),
  /** CPU share in cores. */
  cpu: z.number().positive(),
  /** Inference workers. */
  concurrency: z.number().int().positive(),
  /** Intra-operator threads of each worker. */
  threads: z.number().int().positive(),
  batch: z.number().int().positive(),
});
export type ProfilePoint = z.infer<typeof ProfilePointSchema>;

/** What was measured at a point. */
export const MeasurementSchema = z.object({
  /** Execution time of a batch while every worker is busy. */
  p50Ms: z.number(),
  p95Ms: z.number(),
  p99Ms: z.number(),
  /** Requests per second, all workers. */
  throughput: z.number(),
  loadMs: z.number(),
  peakBytes: z.number(),
  /** Private bytes of the instance once it is at work. */
  steadyBytes: z.number(),
  /** Batches timed. */
  samples: z.number().int(),
});
export type Measurement = z.infer<typeof MeasurementSchema>;

/** A row of a profile: measured, estimated by the fitted model, or impossible with the reason. */
export const ProfileEntrySchema = z.discriminatedUnion('source', [
  z.object({ source: z.literal('measured'), point: ProfilePointSchema, measurement: MeasurementSchema }),
  z.object({ source: z.literal('estimated'), point: ProfilePointSchema, measurement: MeasurementSchema }),
  z.object({ source: z.literal('failed'), point: ProfilePointSchema, reason: z.string() }),
]);
export type ProfileEntry = z.infer<typeof ProfileEntrySchema>;

/** Everything known of a model, kept under its SHA-256 and size. */
export const ModelProfileSchema = z.object({
  sha256: z.string(),
  bytes: z.number(),
  name: z.string(),
  /** What it was measured on: figures of another machine are no figures. */
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    memoryBytes: z.number(),
    node: z.string(),
    onnxruntime: z.string(),
  }),
  /** Bytes of its tensors in the store, once a node. */
  tensorBytes: z.number(),
  entries: z.array(ProfileEntrySchema),
});
export type ModelProfile = z.infer<typeof ModelProfileSchema>;

/** A point's name, for keys, progress and tables: `optimized cpu=2 p=2 t=1 b=4`. */
export function pointName({ variant, cpu, concurrency, threads, batch }: ProfilePoint): string {
  return `${variant} cpu=${cpu} p=${concurrency} t=${threads} b=${batch}`;
}
