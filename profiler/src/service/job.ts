/** A profile that somebody asked the service for. Pure. */
import { z } from 'zod';
import { GRAPH_VARIANTS } from '@tetris/invoker-extension';

const MIB = 1024 ** 2;
const LIST_MAX = 16;
const wholes = (max: number): z.ZodType<number[]> =>
  z
    .array(z.number().int().min(1).max(max))
    .min(1)
    .max(LIST_MAX)
    .transform((values) => [...new Set(values)].sort((one, other) => one - other));

/** Where the model is. */
export const ModelChoiceSchema = z.discriminatedUnion('kind', [
  /** A file that was uploaded, or that another job has used. */
  z.object({ kind: z.literal('upload'), sha256: z.string().regex(/^[0-9a-f]{64}$/), name: z.string().min(1).max(256) }),
  /** A file below a registered model folder. */
  z.object({ kind: z.literal('path'), path: z.string().min(1).max(4096) }),
  /** In the archive of an action; `file` where it has several models. */
  z.object({ kind: z.literal('action'), action: z.string().min(1).max(512), file: z.string().max(1024).optional() }),
]);
export type ModelChoice = z.infer<typeof ModelChoiceSchema>;

/** What is to be measured. */
export const JobSpecSchema = z.object({
  model: ModelChoiceSchema,
  variants: z.array(z.enum(GRAPH_VARIANTS)).min(1),
  cpus: wholes(1024),
  /** Memory limits, MiB. */
  memory: wholes(1024 * 1024).refine(
    (sizes) => sizes.every((size) => size >= 64),
    'a limit below 64 MiB starts nothing',
  ),
  batches: wholes(256),
  workers: wholes(64),
  threads: wholes(256),
  sloMs: z.number().int().min(1).optional(),
  /** Sizes of symbolic dimensions beside the batch. */
  dims: z.record(z.string().max(128), z.number().int().min(1)).default({}),
  rounds: z.number().int().min(1).max(10_000).default(20),
  points: z.number().int().min(1).max(1_000).default(64),
});
export type JobSpec = z.infer<typeof JobSpecSchema>;

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export const JobSchema = z.object({
  id: z.string().regex(/^[\w-]{8,64}$/),
  spec: JobSpecSchema,
  state: z.enum(['queued', 'running', 'done', 'failed', 'cancelled']),
  createdMs: z.number(),
  endedMs: z.number().optional(),
  /** Configurations known, of how many, and which one is being measured. */
  progress: z.object({ done: z.number(), total: z.number(), point: z.string() }).optional(),
  /** Once it is found. */
  model: z.object({ name: z.string(), sha256: z.string(), bytes: z.number() }).optional(),
  /** Configurations measured for it; 0 where the archive knew all. */
  measured: z.number().optional(),
  error: z.string().optional(),
});
export type Job = z.infer<typeof JobSchema>;

export const isOver = ({ state }: Job): boolean => state === 'done' || state === 'failed' || state === 'cancelled';

/** The command that asks for the same. */
export function commandOf(spec: JobSpec, name: string): string {
  const { variants, cpus, memory, batches, workers, threads, sloMs, dims, rounds, points } = spec;
  const flags = [
    ...(sloMs === undefined ? [] : [`--slo ${sloMs}`]),
    `--variants ${variants.join(',')} --cpus ${cpus.join(',')} --workers ${workers.join(',')} --threads ${threads.join(',')}`,
    `--batches ${batches.join(',')} --memory ${memory.map((size) => `${size}m`).join(',')} --rounds ${rounds} --points ${points}`,
    ...Object.entries(dims).map(([dim, size]) => `--dim ${dim}=${size}`),
  ];
  return `npm run profile -- ${name} ${flags.join(' ')}`;
}

export const bytesOf = (mebibytes: number): number => mebibytes * MIB;
