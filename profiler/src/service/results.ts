/** Results of all machines by model, and which models there are. */
import { type DocumentStore, PluginError } from '@tetris/common';
import { type ModelProfile, ModelProfileSchema, ProfileArchive } from '@tetris/invoker-extension';
import { z } from 'zod';
import { problemsOf } from './problems';

/** A model that results are known of. */
const KnownModelSchema = z.object({ sha256: z.string(), bytes: z.number(), name: z.string(), atMs: z.number() });
export type KnownModel = z.infer<typeof KnownModelSchema>;

const IndexSchema = z.object({ models: z.array(KnownModelSchema) });
const INDEX = 'profile-index';

/** Listed; the results of others stay, and are found by digest. */
const LISTED_MAX = 200;

/** What is exported: so that a file says what it is. */
const ExportSchema = z.object({
  format: z.literal('tetris-profiles-1'),
  profiles: z.array(ModelProfileSchema).min(1).max(64),
});

export class Results {
  readonly #documents: DocumentStore;
  readonly #archive: ProfileArchive;

  constructor(documents: DocumentStore) {
    this.#documents = documents;
    this.#archive = new ProfileArchive(documents);
  }

  /** The latest first. */
  async models(): Promise<KnownModel[]> {
    return IndexSchema.safeParse(await this.#documents.getDocument(INDEX)).data?.models ?? [];
  }

  async note({ sha256, bytes, name }: Pick<KnownModel, 'sha256' | 'bytes' | 'name'>, atMs: number): Promise<void> {
    await this.#documents.changeDocument(INDEX, (present) => {
      const known = IndexSchema.safeParse(present).data?.models ?? [];
      const others = known.filter((model) => model.sha256 !== sha256 || model.bytes !== bytes);
      return { models: [{ sha256, bytes, name, atMs }, ...others].slice(0, LISTED_MAX) };
    });
  }

  /** @throws PluginError `ERR_DOCUMENT_NOT_FOUND` where nothing is known of it */
  async of(sha256: string, bytes: number): Promise<ModelProfile[]> {
    const profiles = await this.#archive.load(sha256, bytes);
    if (profiles.length > 0) return profiles;
    throw new PluginError('ERR_DOCUMENT_NOT_FOUND', `there are no results of a model ${sha256} of ${bytes} bytes`);
  }

  export(profiles: readonly ModelProfile[]): object {
    return { format: 'tetris-profiles-1', profiles };
  }

  /** Takes what another machine has exported, or `npm run profile -- --json` has written. @throws PluginError `ERR_BAD_REQUEST` */
  async import(value: unknown, atMs: number): Promise<ModelProfile[]> {
    const one = ModelProfileSchema.safeParse(value);
    const several = one.success ? undefined : ExportSchema.safeParse(value);
    if (several?.success === false) {
      const why = problemsOf(several.error, 'it');
      throw new PluginError('ERR_BAD_REQUEST', `this is no export of profiles, and no file of --json: ${why}`);
    }
    const profiles = one.success ? [one.data] : (several?.data.profiles ?? []);
    for (const profile of profiles) {
      await this.#archive.save(profile);
      await this.note(profile, atMs);
    }
    return profiles;
  }
}
