import { renameSync } from 'node:fs';
import type { Logger, Semaphore } from '@tetris/common';
import { faultPoint } from '../fault';
import type { DaemonMetrics } from '../metrics';
import { nameOf, type Uploads } from '../source/uploads';
import type { Mirrors, FetchListener, Original } from '../source/url-source';
import type { PeerUrlRecord } from '../source/url-record';
import type { Store } from '../store/store';
import { isOfOneInstance, type Tenant } from '../tenant';
import { fetchFiles } from '../transfer/fetch-files';
import type { KeptOriginals } from './kept-originals';
import type { PeerTier } from './peer-tier';
import { takeFirst } from '../transfer/take-first';
import type { Offer } from '../transfer/offer';
import type { OriginalTier, WantedOriginal } from './tier';

export interface OriginalsParts {
  store: Store;
  uploads: Uploads;
  kept: KeptOriginals | undefined;
  peers: PeerTier | undefined;
  /** Turns of those who bring something. */
  slots: Semaphore;
  metrics: Pick<DaemonMetrics, 'originals' | 'restoredBytes'>;
  log: Logger;
}

/** Brings models as they came from where it costs less than from their source: this node's disk, then a peer. */
export class Originals implements Mirrors {
  readonly #parts: OriginalsParts;
  readonly #tiers: readonly OriginalTier[];

  constructor(parts: OriginalsParts) {
    this.#parts = parts;
    this.#tiers = [parts.kept, parts.peers].filter((tier) => tier !== undefined);
  }

  async records(id: string, tenant: Tenant, signal: AbortSignal): Promise<PeerUrlRecord[]> {
    return this.#parts.peers?.records(id, tenant, signal) ?? [];
  }

  reject(peer: string, detail: string): void {
    this.#parts.peers?.reject(peer, detail);
  }

  async bring(original: Original, tenant: Tenant, listener: FetchListener, signal: AbortSignal): Promise<boolean> {
    const wanted: WantedOriginal = { ...original, tenant, name: nameOf(original.sha256, tenant) };
    if (this.#tiers.length === 0) return false;
    return this.#parts.slots.run(async () => {
      for (const tier of this.#tiers) if (await this.#from(tier, wanted, listener, signal)) return true;
      return false;
    }, signal);
  }

  keep({ sha256 }: Original, tenant: Tenant): void {
    const { kept, uploads } = this.#parts;
    if (kept === undefined || isOfOneInstance(tenant.scope)) return;
    uploads.hold(sha256, tenant);
    void kept
      .keep(nameOf(sha256, tenant), uploads.path(sha256, tenant))
      .finally(() => uploads.letGo(sha256, tenant, false));
  }

  async #from(
    tier: OriginalTier,
    wanted: WantedOriginal,
    listener: FetchListener,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { metrics, log } = this.#parts;
    const { sha256, bytes } = wanted;
    const taken = await takeFirst(
      tier.originals(wanted, signal),
      async (offer) => {
        await this.#take(offer, tier, wanted, listener, signal);
        return true;
      },
      signal,
      ({ offer: { from }, outcome, ms, reason }) => {
        metrics.originals.inc({ tier: tier.name, outcome });
        const about = { sha256, bytes, from };
        if (outcome === 'restored') log.info({ ...about, ms }, 'original brought');
        else log.warn({ ...about, outcome, reason }, 'original not brought');
      },
    );
    return taken ?? false;
  }

  async #take(
    offer: Offer,
    tier: OriginalTier,
    { sha256, bytes, tenant }: WantedOriginal,
    listener: FetchListener,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, uploads, metrics } = this.#parts;
    const stage = store.stage();
    try {
      await uploads.place({ sha256, bytes }, tenant, async (to) => {
        let done = 0;
        await fetchFiles(offer, tier, [{ kind: 'original', sha256, bytes }], {
          folder: stage.work,
          scope: '',
          sync: false,
          signal,
          onFile: (_file, path) => {
            renameSync(path, to);
            faultPoint('original:brought');
          },
          onBytes: (more) => {
            done += more;
            metrics.restoredBytes.inc({ tier: tier.name }, more);
            listener.progress('fetch', done, bytes);
          },
        });
      });
    } finally {
      await stage.abort();
    }
  }
}
