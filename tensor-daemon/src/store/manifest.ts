import { readFileSync } from 'node:fs';
import { DigestSchema } from '@tetris/common';
import { z } from 'zod';

/** Version of what lies in a store; part of every model key, so that a store of another version is never misread. */
export const STORE_FORMAT = 1;

/** Largest manifest read: some 300,000 tensors. */
const MANIFEST_BYTES_MAX = 32 * 1024 * 1024;

const count = z.number().int().min(0);

/** `models/<key>/manifest.json`: what an ingested model consists of. Published with the graph, after its tensors. */
export const ManifestSchema = z.object({
  format: z.literal(STORE_FORMAT),
  modelKey: DigestSchema,
  /** Name under which it was first leased: for listings only. */
  name: z.string(),
  /** SHA-256 of the model as it came. */
  source: DigestSchema,
  /** Among whom it is shared, which enters the names of its tensors; absent: all. */
  scope: z.string().optional(),
  /** Cost of making it again. */
  ingestMs: z.number().min(0),
  graphBytes: count,
  /** SHA-256 of the graph as it is stored, where it has been computed: copies are checked by it. */
  graphSha256: DigestSchema.optional(),
  /** Each once, with the size of its file. */
  tensors: z.array(z.object({ sha256: DigestSchema, bytes: count })),
});
export type Manifest = z.infer<typeof ManifestSchema>;

/** @returns undefined where the file is absent, no manifest, or of another format: such a model is not there */
export function readManifest(path: string): Manifest | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > MANIFEST_BYTES_MAX) return undefined;
    const parsed = ManifestSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
