import type { Logger } from '@tetris/common';
import type { DaemonMetrics } from '../metrics';
import type { Store } from '../store/store';
import type { DiskTier } from './disk-tier';
import { type PeerConfig, readPeerCredentials } from './peer-config';
import { PeerPool } from './peer-pool';
import { type ServedSources, startPeerServer } from './peer-server';
import { type PeerLimits, PeerTier } from './peer-tier';
import { Bandwidth } from '../transfer/rate-limit';

export interface PeersParts {
  store: Store;
  disk: DiskTier | undefined;
  sources: ServedSources;
  metrics: Pick<DaemonMetrics, 'peerFailures'>;
  log: Logger;
}

/** This daemon among its peers: what it asks of them, and the end of what it serves to them. */
export interface Peers {
  /** Undefined where there is nothing by which peers could know each other. */
  readonly tier: PeerTier | undefined;
  readonly pool: PeerPool | undefined;
  close(): Promise<void>;
}

/** Both directions as configured, each with the bandwidth to itself. @throws PluginError `ERR_CONFIG_INVALID` */
export async function openPeers(
  config: PeerConfig & PeerLimits,
  { store, disk, sources, metrics, log }: PeersParts,
): Promise<Peers> {
  const credentials = readPeerCredentials(config);
  if (credentials === undefined) return { tier: undefined, pool: undefined, close: async () => undefined };
  const bandwidth = (): Bandwidth => new Bandwidth(config.peerBytesPerSecondMax);
  const layouts = [store.layout, ...(disk === undefined ? [] : [disk.layout])];
  const server =
    config.peerListen === ''
      ? undefined
      : await startPeerServer(config, { layouts, sources, credentials, bandwidth: bandwidth(), log });
  const pool = new PeerPool(config, { credentials, metrics, log, now: Date.now });
  const tier = new PeerTier(config, { pool, credentials, bandwidth: bandwidth() });
  if (server !== undefined) log.info({ port: server.port, tls: credentials.tls !== undefined }, 'serving peers');
  return { tier, pool, close: async () => server?.close() };
}
