import { totalmem } from 'node:os';
import type { DaemonHealth, Logger } from '@tetris/common';
import { Registry } from 'prom-client';
import type { DaemonConfig } from './config';
import { Ingest } from './ingest/ingest';
import { detectPlatform, modelKeyOf } from './ingest/model-key';
import { detectSandbox } from './ingest/sandbox';
import { LeaseService } from './leases/lease-service';
import { LeaseTable } from './leases/lease-table';
import { createMetrics } from './metrics';
import { Reclaimer } from './reclaim/reclaimer';
import { createServer, listenOn } from './server/http';
import { addHealth, addInstanceApi } from './server/instance-api';
import { addOperatorApi, totals } from './server/operator-api';
import { FileSource } from './sources/file-source';
import { ModelRoots, parseRoot } from './sources/roots';
import { Sources } from './sources/sources';
import { Uploads } from './sources/uploads';
import { Registrations } from './store/registrations';
import { recoverInstances } from './leases/recover';
import { Store } from './store/store';
import { Views } from './store/views';

/** Version that `GET /v1/health` tells. */
const VERSION = '0.1.0';

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
  const store = new Store({
    path: config.storePath,
    sync: config.storeSync,
    inventoryLogMax: config.inventoryLogMax,
    nowMs: now(),
  });
  store.recover();
  const table = new LeaseTable(config);
  const views = new Views(store.layout);
  const registrations = new Registrations(store.layout.instances);
  recoverInstances(store, views, registrations, table, now() + config.instanceGraceMs);

  const bytesMax = config.storeBytesMax || Math.floor(totalmem() * config.storeMemoryRatio);
  const reclaimer = new Reclaimer(store, { bytesMax, modelTtlMs: config.modelTtlMs }, (key) => table.modelUses(key));
  const uploads = new Uploads(store.layout.uploads, config, now);
  const roots = new ModelRoots(config.modelRoots.map(parseRoot));
  const sandbox = detectSandbox({ memoryBytesMax: config.ingestMemoryBytesMax, fileBytesMax: bytesMax });
  const platform = detectPlatform();
  const ingest = new Ingest(store, reclaimer, sandbox, config, log);
  const leases = new LeaseService({
    table,
    store,
    views,
    registrations,
    sources: new Sources(new FileSource(roots, config), uploads),
    ingest,
    reclaimer,
    keyOf: (files, graph) => modelKeyOf(files, graph, platform, config.tensorBytesMin),
    now,
    log,
  });

  const metrics = new Registry();
  createMetrics(metrics, {
    uniqueBytes: () => totals({ store, table, reclaimer }).uniqueBytes,
    unsharedBytes: () => totals({ store, table, reclaimer }).unsharedBytes,
    leases: () => table.leaseCount,
    instances: () => table.instanceCount,
  });

  let state: DaemonHealth['state'] = 'ready';
  const instanceServer = createServer(config.connectionsMax, log);
  addInstanceApi(instanceServer, leases, uploads);
  const operatorServer = createServer(config.connectionsMax, log);
  addOperatorApi(operatorServer, { leases, table, store, reclaimer, metrics });
  for (const server of [instanceServer, operatorServer]) addHealth(server, () => ({ version: VERSION, state }));

  await listenOn(operatorServer, config.operatorSocketPath, OPERATOR_SOCKET_MODE);
  await listenOn(instanceServer, config.socketPath, INSTANCE_SOCKET_MODE);
  const sweep = setInterval(() => {
    uploads.expire(now());
    reclaimer.expire(now());
    void leases.carryOut(table.expire(now()));
  }, config.sweepIntervalMs);
  log.info({ store: config.storePath, bytesMax, sandbox: sandbox.has, models: store.catalog.modelCount }, 'ready');

  return {
    async stop() {
      state = 'draining';
      clearInterval(sweep);
      await Promise.all([instanceServer.close(), operatorServer.close(), ingest.stop()]);
      log.info('stopped');
    },
  };
}
