import { type ActionManifest, errorMessage, type Logger, type Registry } from '@tetris/common';
import { LRUCache } from 'lru-cache';

export interface ManifestsOptions {
  registry: Pick<Registry, 'getManifest' | 'putManifest'>;
  log: Logger;
  entriesMax: number;
  /** Age at which "nobody knows it" is asked again, ms. */
  unknownTtlMs: number;
  nowMs: () => number;
}

const UNKNOWN = Symbol('nobody knows it');
const FOR_GOOD = { ttl: 0 };

/** Manifests of action revisions, kept near because every admission asks for one. */
export class Manifests {
  readonly #options: ManifestsOptions;
  readonly #entries: LRUCache<string, ActionManifest | typeof UNKNOWN>;

  constructor(options: ManifestsOptions) {
    this.#options = options;
    const { entriesMax: max, nowMs: now } = options;
    this.#entries = new LRUCache({ max, ttlResolution: 0, perf: { now } });
  }

  /** What is known here. */
  get(revision: string): ActionManifest | undefined {
    const known = this.#entries.get(revision);
    return known === UNKNOWN ? undefined : known;
  }

  /**
   * Asks the registry where nothing is known here. Never rejects: without a manifest the memory limit is the estimate.
   */
  async load(revision: string): Promise<void> {
    const { registry, log, unknownTtlMs: ttl } = this.#options;
    if (this.#entries.has(revision)) return;
    this.#entries.set(revision, UNKNOWN, { ttl });
    try {
      const manifest = await registry.getManifest(revision);
      if (manifest !== undefined) this.#entries.set(revision, manifest, FOR_GOOD);
    } catch (error) {
      log.debug({ reason: errorMessage(error) }, 'manifest not read');
    }
  }

  /** Measured here: kept and told to everybody. */
  async learned(revision: string, manifest: ActionManifest): Promise<void> {
    this.#entries.set(revision, manifest, FOR_GOOD);
    try {
      await this.#options.registry.putManifest(revision, manifest);
    } catch (error) {
      this.#options.log.debug({ reason: errorMessage(error) }, 'manifest not published');
    }
  }
}
