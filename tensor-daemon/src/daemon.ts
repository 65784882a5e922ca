import { hostname } from 'node:os';
import { join } from 'node:path';
import { type DaemonHealth, type Logger, Semaphore, VERSION } from '@tetris/common';
import { machineMemory } from '@tetris/common/environment';
import { addProcessMetrics } from '@tetris/common/metrics';
import { openTracer } from '@tetris/common/tracing';
import { LRUCache } from 'lru-cache';
import { Registry } from 'prom-client';
import type { DaemonConfig } from './config';
import { armFault, faultPoint, parseFault } from './fault';
import { createCut } from './ingest/cut-model';
import { Ingest, type IngestParts } from './ingest/ingest';
import { cpuOf, modelKeyOf, readPlatform } from './ingest/model-key';
import { OPTIMIZER_PROGRAM } from './ingest/optimize';
import { detectSandbox } from './ingest/sandbox';
import { LeaseService } from './lease/lease-service';
import { LeaseTable } from './lease/lease-table';
import { recoverInstances } from './lease/recover';
import { fileSystemBytes, memoryShares } from './memory';
import { createMetrics } from './metrics';
import { Reclaimer } from './store/reclaimer';
import { createServer, listenOn } from './api/http';
import { addHealth, addInstanceApi } from './api/instance-api';
import { addOperatorApi, totals } from './api/operator-api';
import { PendingConnections } from './api/pending-connections';
import { FileSource } from './source/file-source';
import { ModelRoots, parseRoot } from './source/roots';
import { Sources } from './source/sources';
import { UploadedModels } from './source/uploaded-models';
import { Uploads } from './source/uploads';
import { UrlOrigin } from './source/url-origin';
import { UrlSource } from './source/url-source';
import { parseUrlRecord, type CheckedContent } from './source/url-record';
import { type CleanupFailure, Cleanups } from './store/cleanups';
import { claimFolder } from './store/lock';
import { Registrations } from './store/registrations';
import { Store } from './store/store';
import { Views } from './store/views';
import { startSweeper } from './sweeper';
import { type Disk, openDisk } from './tier/disk';
import { Originals } from './tier/originals';
import type { ServedSources } from './tier/peer-server';
import { openPeers } from './tier/peers';
import { Restorer } from './tier/restorer';

/** Everybody may connect: what the instance socket offers is meant for containers of any user. */
const INSTANCE_SOCKET_MODE = 0o666;
const OPERATOR_SOCKET_MODE = 0o600;

/** A running daemon. */
export interface RunningDaemon {
  /** Takes no more, ends what is under way, leaves the store as a restart needs it. */
  stop(): Promise<void>;
}

/** Builds the daemon from its configuration and starts it. @throws PluginError `ERR_CONFIG_INVALID` */
export async function startDaemon(config: DaemonConfig, log: Logger): Promise<RunningDaemon> {
  const now = Date.now;
  if (config.faultPoint !== '') armFault(parseFault(config.faultPoint));
  const registry = new Registry();
  const metrics = createMetrics(registry, {
    uniqueBytes: () => totals({ store, table, reclaimer }).uniqueBytes,
    unsharedBytes: () => totals({ store, table, reclaimer }).unsharedBytes,
    leases: () => table.leaseCount,
    instances: () => table.instanceCount,
    mappedBytes: () => store.trash.mappedBytes,
    diskBytes: () => disk.tier?.bytes ?? 0,
    originalBytes: () => disk.originals?.bytes ?? 0,
    ingests: () => ingest.list().length,
  });
  const reportCleanup = (failure: CleanupFailure): void => {
    metrics.cleanupFailures.inc({ outcome: failure.abandoned ? 'abandoned' : 'retried' });
    log.warn({ ...failure }, 'removal failed');
  };
  const newCleanups = (): Cleanups => new Cleanups(config, reportCleanup, now);
  const store = new Store({
    path: config.storePath,
    sync: config.storeSync,
    inventoryLogMax: config.inventoryLogMax,
    nowMs: now(),
    cleanups: newCleanups(),
  });
  const unclaim = claimFolder(config.storePath);
  store.recover();
  faultPoint('recover:catalog');
  const table = new LeaseTable(config);
  const views = new Views(store.layout);
  const registrations = new Registrations(store.layout.instances);
  recoverInstances(store, views, registrations, table, now() + config.instanceGraceMs);
  faultPoint('recover:views');
  store.unlinkOrphans();
  faultPoint('recover:orphans');
  await store.trash.emptied();

  const storeFileSystemBytes = fileSystemBytes(config.storePath);
  const { storeBytes: bytesMax, ingestBytes } = memoryShares(config, machineMemory(), storeFileSystemBytes);
  if (bytesMax === storeFileSystemBytes) {
    log.warn({ store: config.storePath, bytesMax }, 'the store has no more room than its file system');
  }
  const uploadLimits = { ...config, uploadBytesMax: Math.min(config.uploadBytesMax, bytesMax) };
  const uploads: Uploads = new Uploads(
    store.layout.uploads,
    uploadLimits,
    (bytes) => reclaimer.fit(bytes),
    store.cleanups,
    now,
  );
  const diskCleanups = newCleanups();
  const disk: Disk = await openDisk(config, { cleanups: diskCleanups, metrics, log });
  const { tier: diskTier, originals: kept } = disk;
  const reclaimer: Reclaimer = new Reclaimer(
    store,
    { bytesMax, modelTtlMs: config.modelTtlMs },
    {
      usesOf: (modelKey) => table.modelUses(modelKey),
      otherBytes: () => uploads.bytes,
      reclaimed: (bytes) => metrics.reclaimedBytes.inc(bytes),
      ...(diskTier !== undefined && { demote: (model) => diskTier.demote(model, store.layout) }),
    },
  );
  const sandbox = detectSandbox({
    memoryBytesMax: ingestBytes,
    fileBytesMax: bytesMax,
    user: config.ingestUser,
    program: OPTIMIZER_PROGRAM,
  });
  const seen = new LRUCache<string, CheckedContent>({ max: config.digestCacheMax });
  const served: ServedSources = {
    record: (id) => parseUrlRecord(seen.get(id)),
    paths: (name) => [join(store.layout.uploads, name), kept?.use(name)].filter((path) => path !== undefined),
  };
  const peers = await openPeers(config, { store, disk: diskTier, sources: served, metrics, log });
  const tiers = [diskTier, peers.tier].filter((tier) => tier !== undefined);
  const slots = new Semaphore(config.restoresMax, config.ingestQueueMax);
  const restorer = new Restorer({ store, reclaimer, tiers, slots, metrics, log });
  const restore: IngestParts['restore'] = (...wanted) => restorer.restore(...wanted);
  const cut = createCut(store, sandbox, config);
  const ingest = new Ingest({ store, reclaimer, cut, metrics, log, restore, now }, config);
  const mirrors = new Originals({ store, uploads, kept, peers: peers.tier, slots, metrics, log });
  const models = new UploadedModels(uploads, config);
  const urls = new UrlSource(config, { origin: new UrlOrigin(config), uploads, models, seen, mirrors, now });
  const roots = new ModelRoots(config.modelRoots.map(parseRoot));
  const platform = readPlatform(config.cpuInfoPath);
  addProcessMetrics(registry, 'daemon', { onnxruntime: platform.onnxruntime, cpu: cpuOf(platform) });
  const leases = new LeaseService({
    table,
    store,
    views,
    registrations,
    sources: new Sources(new FileSource(roots, config), urls, models),
    ingest,
    reclaimer,
    metrics,
    keyOf: (files, graph, scope) => modelKeyOf(files, graph, platform, config.tensorBytesMin, scope),
    sharing: config.sharing,
    registeredOnly: config.instancesRegisteredOnly,
    now,
  });

  let state: DaemonHealth['state'] = 'ready';
  const instanceServer = createServer(config.connectionsMax, log);
  const pending = new PendingConnections({
    pendingMax: config.connectionsPendingMax,
    pendingMs: config.connectionPendingMs,
  });
  const tracer = openTracer(config, 'daemon', hostname());
  addInstanceApi(instanceServer, { leases, uploads, metrics, tracer, pending }, config);
  const operatorServer = createServer(config.connectionsMax, log);
  addOperatorApi(operatorServer, { leases, table, store, reclaimer, ingest, registry, peers: peers.pool });
  const servers = [operatorServer, instanceServer];
  for (const server of servers) addHealth(server, () => ({ version: VERSION, state }));
  await listenOn(operatorServer, config.operatorSocketPath, OPERATOR_SOCKET_MODE);
  await listenOn(instanceServer, config.socketPath, INSTANCE_SOCKET_MODE);
  const stopSweeper = startSweeper(
    { reclaimer, leases, uploads, cleanups: [store.cleanups, diskCleanups], now, log },
    config,
  );
  log.info({ store: config.storePath, bytesMax, sandbox: sandbox.has, models: store.catalog.modelCount }, 'ready');

  return {
    async stop() {
      state = 'draining';
      stopSweeper();
      leases.stop();
      await Promise.all([...servers.map((server) => server.close()), peers.close(), ingest.stop()]);
      await store.trash.emptied();
      await Promise.all([disk.close(), tracer.close()]);
      unclaim();
      log.info('stopped');
    },
  };
}
