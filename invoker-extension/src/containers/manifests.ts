import { type ActionManifest, errorMessage, type Logger, type Registry } from '@tetris/common';

export interface ManifestsOptions {
  registry: Pick<Registry, 'getManifest' | 'putManifest'>;
  log: Logger;
  entriesMax: number;
  /** Age at which "nobody knows it" is asked again, ms. */
  unknownTtlMs: number;
  nowMs: () => number;
}

interface Entry {
  manifest: ActionManifest | undefined;
  atMs: number;
}

/** Manifests of action revisions, kept near because every admission asks for one. */
export class Manifests {
  readonly #options: ManifestsOptions;
  /** In order of use. */
  readonly #entries = new Map<string, Entry>();

  constructor(options: ManifestsOptions) {
    this.#options = options;
  }

  /** What is known here. */
  get(revision: string): ActionManifest | undefined {
    return this.#entries.get(revision)?.manifest;
  }

  /** Asks the registry where nothing is known here. Never rejects: without a manifest the memory limit is the estimate. */
  async load(revision: string): Promise<void> {
    const { registry, log, nowMs, unknownTtlMs } = this.#options;
    const known = this.#entries.get(revision);
    if (known !== undefined && (known.manifest !== undefined || nowMs() - known.atMs < unknownTtlMs)) return;
    this.#keep(revision, undefined);
    try {
      const manifest = await registry.getManifest(revision);
      if (manifest !== undefined) this.#keep(revision, manifest);
    } catch (error) {
      log.debug({ reason: errorMessage(error) }, 'manifest not read');
    }
  }

  /** Measured here: kept and told to everybody. */
  async learned(revision: string, manifest: ActionManifest): Promise<void> {
    this.#keep(revision, manifest);
    try {
      await this.#options.registry.putManifest(revision, manifest);
    } catch (error) {
      this.#options.log.debug({ reason: errorMessage(error) }, 'manifest not published');
    }
  }

  #keep(revision: string, manifest: ActionManifest | undefined): void {
    this.#entries.delete(revision);
    this.#entries.set(revision, { manifest, atMs: this.#options.nowMs() });
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size > this.#options.entriesMax && oldest !== undefined) this.#entries.delete(oldest);
  }
}
