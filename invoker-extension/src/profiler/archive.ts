/** Profiles made so far, by the model's SHA-256 and size: asked again, a model answers at once. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelProfile, ModelProfileSchema } from './result';

export interface ProfileArchive {
  /** Undefined where there is none, or one that cannot be read. */
  load(sha256: string, bytes: number): Promise<ModelProfile | undefined>;
  save(profile: ModelProfile): Promise<void>;
}

/** One file a model in a folder, created when missing. */
export class FileArchive implements ProfileArchive {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async load(sha256: string, bytes: number): Promise<ModelProfile | undefined> {
    try {
      const json: unknown = JSON.parse(await readFile(this.#path(sha256, bytes), 'utf8'));
      return ModelProfileSchema.safeParse(json).data;
    } catch {
      return undefined;
    }
  }

  /** In one step: a profile half written is never read. */
  async save(profile: ModelProfile): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const path = this.#path(profile.sha256, profile.bytes);
    await writeFile(`${path}.part`, JSON.stringify(profile));
    await rename(`${path}.part`, path);
  }

  #path(sha256: string, bytes: number): string {
    return join(this.#folder, `${sha256}-${bytes}.json`);
  }
}
