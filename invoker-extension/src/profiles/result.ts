/** What the profiler finds out about a model. Latencies in ms, sizes in bytes, rates in requests per second. */
import { z } from 'zod';

export const CONVERSIONS = ['int8', 'fp16', 'int4'] as const;
/** The model with weights in a smaller format: a model of its own, whose answers are others. */
export type Conversion = (typeof CONVERSIONS)[number];

export const GRAPH_VARIANTS = ['plain', 'optimized', ...CONVERSIONS] as const;
/** The model as it came, after onnxruntime's optimizations, or converted. */
export type GraphVariant = (typeof GRAPH_VARIANTS)[number];

export const isConversion = (variant: GraphVariant): variant is Conversion =>
  variant !== 'plain' && variant !== 'optimized';

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
  /** Of a model that the node has already. */
  loadMs: z.number(),
  peakBytes: z.number(),
  /** Private bytes of the instance once it is at work. */
  steadyBytes: z.number(),
  /**
   * Memory limit of the instance that it was measured in: the least of those tried in which it runs. Absent in an
   * estimate.
   */
  limitBytes: z.number().optional(),
  /** Batches timed. */
  samples: z.number().int(),
  /** When, epoch ms. Absent in an estimate, and where an earlier version measured. */
  atMs: z.number().optional(),
  /** Cores that something else kept busy meanwhile, at least: the figures are then those of a busy machine. */
  othersCores: z.number().optional(),
});
export type Measurement = z.infer<typeof MeasurementSchema>;

/** A row of a profile: measured, estimated by the fitted model, or impossible with the reason. */
export const ProfileEntrySchema = z.discriminatedUnion('source', [
  z.object({ source: z.literal('measured'), point: ProfilePointSchema, measurement: MeasurementSchema }),
  z.object({ source: z.literal('estimated'), point: ProfilePointSchema, measurement: MeasurementSchema }),
  z.object({
    source: z.literal('failed'),
    point: ProfilePointSchema,
    reason: z.string(),
    /** The memory limit that it exceeded; absent where more memory would not help. */
    limitBytes: z.number().optional(),
  }),
]);
export type ProfileEntry = z.infer<typeof ProfileEntrySchema>;

/** What a profile was measured on: figures of another machine are no figures. */
export const MachineSchema = z.object({
  cpu: z.string(),
  cores: z.number(),
  memoryBytes: z.number(),
  node: z.string(),
  onnxruntime: z.string(),
});
export type Machine = z.infer<typeof MachineSchema>;

/** How far an output of the converted model is from that of the model as it came, over the inputs compared. */
export const DeviationSchema = z.object({
  output: z.string(),
  /** Largest and mean absolute difference. */
  maxError: z.number(),
  meanError: z.number(),
  /** The same, over the largest and the mean magnitude of the output. */
  maxRelative: z.number(),
  meanRelative: z.number(),
  /** Between the two outputs, taken as one vector; 1 is the same direction. */
  cosine: z.number(),
  /** Share of rows whose largest number is at the same place; absent where an output has no rows of several numbers. */
  sameTop: z.number().optional(),
});
export type Deviation = z.infer<typeof DeviationSchema>;

/** What became of the model's weights in one form. */
export const ConversionSchema = z.object({
  /** Operators that were replaced, of fp16 weights; 0 where there is nothing to convert. */
  replaced: z.number().int(),
  /** Of the weights concerned. */
  bytesBefore: z.number(),
  bytesAfter: z.number(),
  /** The converted file, under whose digest its profile is kept too; absent where nothing was converted. */
  file: z.object({ sha256: z.string(), bytes: z.number() }).optional(),
  /** What has weights and was left alone, and why. */
  skipped: z.array(z.object({ what: z.string(), count: z.number().int(), reason: z.string() })),
  /** What the accuracy costs; empty until it was compared. */
  deviations: z.array(DeviationSchema),
  /** Inputs compared. */
  samples: z.number().int(),
  /** Why it could not be compared. */
  reason: z.string().optional(),
});
export type ConversionResult = z.infer<typeof ConversionSchema>;

/** Everything known of a model on one machine with one kind of inputs, kept under the model's SHA-256 and size. */
export const ModelProfileSchema = z.object({
  sha256: z.string(),
  bytes: z.number(),
  name: z.string(),
  machine: MachineSchema,
  /** What its inputs were, as they were asked for: `sequence=128`; empty for the defaults. */
  inputs: z.string(),
  /** Bytes of its tensors in the store, once a node, by graph variant. */
  tensorBytes: z.partialRecord(z.enum(GRAPH_VARIANTS), z.number()),
  /** Load time where no node has the model yet, ms: it is optimized and cut into tensors once. */
  firstLoadMs: z.partialRecord(z.enum(GRAPH_VARIANTS), z.number()),
  /** By form; absent where it was never asked for. */
  conversions: z.partialRecord(z.enum(CONVERSIONS), ConversionSchema).default({}),
  entries: z.array(ProfileEntrySchema),
});
export type ModelProfile = z.infer<typeof ModelProfileSchema>;

/** A point's name, for keys, progress and tables: `optimized cpu=2 p=2 t=1 b=4`. */
export function pointName({ variant, cpu, concurrency, threads, batch }: ProfilePoint): string {
  return `${variant} cpu=${cpu} p=${concurrency} t=${threads} b=${batch}`;
}
