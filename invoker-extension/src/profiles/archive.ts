/** Profiles made so far, in the entity store by the model's SHA-256 and size: asked again, a model answers at once. */
import type { DocumentStore } from '@tetris/common';
import { type Machine, type ModelProfile, ModelProfileSchema, pointName, type ProfileEntry } from './result';

/** Kept of one model: its latest profiles, and of each so many rows. Within what a document may hold. */
const PROFILES_MAX = 8;
const ENTRIES_MAX = 256;

/** Characters kept of the reason why a row is not possible. */
const REASON_MAX = 300;

export class ProfileArchive {
  readonly #documents: DocumentStore;

  constructor(documents: DocumentStore) {
    this.#documents = documents;
  }

  /**
   * The profiles of a model, one for each machine and kind of inputs, the latest first; those that this version cannot
   * read are left out.
   * @param bytes undefined where only the digest is known
   * @throws PluginError `ERR_STORE_UNAVAILABLE` (retriable), `ERR_DOCUMENT_INVALID`
   */
  async load(sha256: string, bytes?: number): Promise<ModelProfile[]> {
    const profiles = readProfiles(await this.#documents.getDocument(documentId(sha256)));
    return profiles.filter((profile) => bytes === undefined || profile.bytes === bytes);
  }

  /**
   * Adds a profile's rows to those of the same machine and inputs; its own win. Throws like {@link
   * DocumentStore.changeDocument}.
   */
  async save(profile: ModelProfile): Promise<void> {
    await this.#documents.changeDocument(documentId(profile.sha256), (present) => {
      const profiles = readProfiles(present);
      const known = profiles.find((other) => isSameSubject(other, profile));
      const others = profiles.filter((other) => other !== known);
      return { profiles: [merged(profile, known?.entries ?? []), ...others].slice(0, PROFILES_MAX) };
    });
  }
}

const documentId = (sha256: string): string => `profile/${sha256}`;

/** What decides whether two profiles are of the same thing, their digests being equal. */
export type Subject = Pick<ModelProfile, 'bytes' | 'machine' | 'inputs'>;

export const isSameSubject = (one: Subject, other: Subject): boolean =>
  one.bytes === other.bytes && one.inputs === other.inputs && isSameMachine(one.machine, other.machine);

const isSameMachine = (one: Machine, other: Machine): boolean =>
  one.cpu === other.cpu &&
  one.cores === other.cores &&
  one.memoryBytes === other.memoryBytes &&
  one.node === other.node &&
  one.onnxruntime === other.onnxruntime;

function readProfiles(value: unknown): ModelProfile[] {
  const { profiles } = (value ?? {}) as { profiles?: unknown };
  return Array.isArray(profiles) ? profiles.flatMap((each) => ModelProfileSchema.safeParse(each).data ?? []) : [];
}

/** Past the bound estimates leave first. */
function merged(profile: ModelProfile, earlier: readonly ProfileEntry[]): ModelProfile {
  const own = new Set(profile.entries.map(({ point }) => pointName(point)));
  const kept = earlier.filter(({ source, point }) => source !== 'estimated' && !own.has(pointName(point)));
  const entries = [...profile.entries, ...kept]
    .map((entry) => (entry.source === 'failed' ? { ...entry, reason: entry.reason.slice(0, REASON_MAX) } : entry))
    .sort((one, other) => Number(one.source === 'estimated') - Number(other.source === 'estimated'));
  return { ...profile, entries: entries.slice(0, ENTRIES_MAX) };
}
