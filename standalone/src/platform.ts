import { access } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createLogger,
  EmbeddedStore,
  environmentName,
  type Logger,
  MemoryBus,
  MemoryRegistry,
  PluginError,
  readConfig,
  removeFolder,
  temporaryFolder,
  Topics,
} from '@tetris/common';
import { addProcessMetrics } from '@tetris/common/metrics';
import { openTracer } from '@tetris/common/tracing';
import { balancerConfig, LoadBalancer, type StatusReport } from '@tetris/load-balancer';
import { LRUCache } from 'lru-cache';
import { Registry as MetricsRegistry } from 'prom-client';
import { type Environment, environmentWith, STANDALONE_CONFIG, type StandaloneConfig } from './config';
import { putHealthTestAction } from './controller/balancer/health-test';
import { type Books, ShardingBalancer } from './controller/balancer/sharding-balancer';
import type { Violation } from './controller/balancer/violation';
import { Controller } from './controller/controller';
import { GUEST, Identities, parseSubject, SYSTEM } from './controller/identities';
import { SYSTEM_LIMITS, type SystemLimits } from './controller/limits';
import { DEFAULT_NODE_KIND } from './controller/manifest';
import { restServer } from './controller/rest/server';
import { installSystemPackages } from './controller/system/install';
import { lockData } from './data-lock';
import { checkFolders } from './folders';
import { mergeExpositions, serveMetrics } from './metrics';
import { type PlatformNode, startNode } from './node';
import { servePlayground } from './pages';
import { ProfileService } from './profile-service';
import { type StoreRoom, storeRoom } from './store-room';
import { Teardown } from './teardown';

/** Everything has a default: `startPlatform()` alone is a working platform. */
export interface PlatformOptions {
  /** 0 takes a free port. @default 0 */
  port?: number;
  /** Nodes. @default 1 */
  invokers?: number;
  /** Of each invoker. @default 4 GiB */
  memoryBytes?: number;
  /** Keeps actions and activations. @default memory only */
  dataPath?: string;
  /** Tensor stores, one folder below it a node. @default a private folder on tmpfs, removed at stop */
  storePath?: string;
  /** Registered model folders. */
  modelRoots?: readonly string[];
  /** @default 'warn' */
  logLevel?: string;
  /**
   * Settings of any component by their environment names, such as `TETRIS_DAEMON_TENSOR_BYTES_MIN`; they win over
   * the environment of this process.
   */
  settings?: Readonly<Record<string, string>>;
}

/** A running platform. */
export interface Platform {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** The guest's key, `uuid:secret`. */
  auth: string;
  nodes: readonly PlatformNode[];
  /** What the stores may hold. */
  storeRoom: StoreRoom;
  /** The controller's accounts: permits outstanding and activations in flight. */
  books(): Books;
  /** What the load balancer knows of nodes and functions. */
  report(): StatusReport;
  /** The nodes that hold tensors of an action's latest revision, as far as it is known: the largest share first. */
  thetas(name: string): { node: string; theta: number }[];
  /** What a stock controller would have suffered. Empty on a good day; the last {@link VIOLATIONS_KEPT}. */
  violations: readonly Violation[];
  /** Ends every process and removes every socket and temporary folder. Idempotent. */
  stop(): Promise<void>;
}

const CONTROLLER = '0';
const VIOLATIONS_KEPT = 1_000;
/** Of the last activations, for the playground: records have none. */
const INPUTS_KEPT = 50;
const TMPFS = '/dev/shm';
const READY_POLL_MS = 20;

/**
 * Starts a whole platform in this process, save the tensor daemons, which are child processes.
 * @throws PluginError `ERR_CONFIG_INVALID`, `ERR_STORE_UNAVAILABLE`, `ERR_DAEMON_UNAVAILABLE`, `ERR_NO_CAPACITY`;
 *   nothing is left behind then. The error of a port in use is Node's own, `EADDRINUSE`.
 */
export function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const env = environmentWith(options.settings);
  const config = readConfig(STANDALONE_CONFIG, env, {
    port: options.port ?? 0,
    invokers: options.invokers,
    memory: options.memoryBytes,
    dataPath: options.dataPath,
    storePath: options.storePath,
    models: options.modelRoots === undefined ? undefined : [...options.modelRoots],
    logLevel: options.logLevel,
  });
  return launch(config, env);
}

/**
 * As {@link startPlatform}, with a configuration that was read already.
 * @param flags what the settings are called that came from flags, by key
 */
export async function launch(
  config: StandaloneConfig,
  env: Environment,
  flags: Readonly<Record<string, string>> = {},
): Promise<Platform> {
  await checkFolders(config, (name) => flags[name] ?? environmentName(STANDALONE_CONFIG.component, name));
  const log = createLogger('standalone', config.logLevel);
  const teardown = new Teardown(log);
  try {
    return await assemble(config, env, log, teardown);
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

async function assemble(
  config: StandaloneConfig,
  env: Environment,
  log: Logger,
  teardown: Teardown,
): Promise<Platform> {
  const privatePath = await privateFolder(tmpdir(), teardown);
  const ownStore = config.storePath === '';
  const storeFolder = ownStore ? await storeParent() : config.storePath;
  const storesPath = ownStore ? await privateFolder(storeFolder, teardown) : config.storePath;
  const room = await storeRoom(storeFolder, config);
  if (config.dataPath !== '') teardown.add('data lock', await lockData(config.dataPath));
  const store = await EmbeddedStore.open({
    log,
    activationsMax: config.activationsMax,
    ...(config.dataPath === '' ? {} : { folder: config.dataPath }),
  });
  teardown.add('entity store', () => store.close());
  const bus = new MemoryBus(log);
  teardown.add('bus', () => bus.close());
  const registry = new MemoryRegistry();
  teardown.add('registry', () => registry.close());

  const violations: Violation[] = [];
  const onViolation = (violation: Violation): void => {
    violations.push(violation);
    if (violations.length > VIOLATIONS_KEPT) violations.shift();
  };
  const inputs = new LRUCache<string, object>({ max: INPUTS_KEPT });
  const controllerLog = createLogger('controller', config.logLevel);
  const balancer = new ShardingBalancer({
    bus,
    topics: new Topics(''),
    controller: CONTROLLER,
    log: controllerLog,
    onViolation,
    onSent: ({ activationId, content }) => inputs.set(activationId, content ?? {}),
  });
  await putHealthTestAction(store, CONTROLLER, DEFAULT_NODE_KIND, SYSTEM_LIMITS.memory.min, Date.now());
  await balancer.start();
  teardown.add('controller', () => balancer.stop());
  const limits = limitsOf(config);
  await installSystemPackages(store, limits, Date.now());
  const started: { balancer?: LoadBalancer } = {};
  const controller = new Controller({
    id: CONTROLLER,
    isSurplus: (namespace, action) => started.balancer?.isSurplus(namespace, action) ?? false,
    store,
    balancer,
    identities: new Identities([GUEST, SYSTEM, ...config.auth.map(parseSubject)]),
    limits,
    log: controllerLog,
    now: Date.now,
  });
  const server = restServer({ controller, log: controllerLog, now: Date.now });
  const nodes: PlatformNode[] = [];
  const cluster = new MetricsRegistry();
  addProcessMetrics(cluster, 'standalone');
  serveMetrics(server, config.metrics, async () => {
    const ofNode = async (node: PlatformNode) => ({ labels: { node: node.name }, text: await node.metrics() });
    return mergeExpositions([...(await Promise.all(nodes.map(ofNode))), { labels: {}, text: await cluster.metrics() }]);
  });
  const apiHost = (): string => `http://${config.host}:${(server.server.address() as AddressInfo).port}`;
  const profiles = new ProfileService({ config, env, privatePath, apiHost, apiKey: GUEST.key, log });
  teardown.add('profiling service', () => profiles.stop());
  servePlayground(server, {
    readers: config.pages,
    source: () => started.balancer,
    daemons: () => nodes.map(({ operator }) => operator),
    profiles: () => profiles.address(),
    inputOf: (activationId) => inputs.get(activationId),
    auth: GUEST.key,
  });
  // Early, so that a port in use is told before anything else is started; until an invoker is healthy it answers 503.
  teardown.add('REST server', () => server.close());
  await server.listen({ host: config.host, port: config.port });
  const url = apiHost();

  for (let index = 0; index < config.invokers; index += 1) {
    const parts = {
      index,
      config,
      env,
      bus,
      entities: store,
      registry,
      privatePath,
      storesPath,
      ownStore,
      storeBytesMax: room.bytesMax,
    };
    nodes.push(await startNode({ ...parts, apiHost: url, teardown }));
  }
  const balancerLog = createLogger('balancer', config.logLevel);
  const settings = readConfig(
    balancerConfig,
    { TETRIS_BALANCER_DRAIN_MS_MAX: String(config.stopTimeoutMs), ...env },
    { userMemory: config.memory * config.invokers, controllers: [CONTROLLER] },
  );
  const tracer = openTracer(settings, 'balancer', '0');
  teardown.add('traces of the load balancer', () => tracer.close());
  const loadBalancer = new LoadBalancer({
    controllerBus: bus,
    invokerBus: bus,
    entities: store,
    registry,
    config: settings,
    metrics: cluster,
    tracer,
    log: balancerLog,
  });
  await loadBalancer.start();
  started.balancer = loadBalancer;
  void profiles.resume().catch((error: unknown) => log.error({ err: error }, 'unfinished profiles do not go on'));
  teardown.add('load balancer', () => loadBalancer.stop());
  // Closing is idempotent: once more at the front, so that nothing new comes in while the rest finishes its work.
  teardown.add('REST requests', () => server.close());
  await ready(config, () => {
    const usable = loadBalancer.fleet.usable('any', Date.now()).length;
    return usable === config.invokers && balancer.states().includes('healthy');
  });
  return {
    url,
    auth: GUEST.key,
    nodes,
    storeRoom: room,
    violations,
    books: () => balancer.books(),
    report: () => loadBalancer.report(),
    thetas: (name) => loadBalancer.thetas(name),
    stop: () => teardown.run(),
  };
}

/** @throws PluginError `ERR_NO_CAPACITY` */
async function ready({ startTimeoutMs }: StandaloneConfig, condition: () => boolean): Promise<void> {
  const endMs = Date.now() + startTimeoutMs;
  while (!condition()) {
    if (Date.now() > endMs) {
      throw new PluginError('ERR_NO_CAPACITY', `the invokers were not healthy within ${startTimeoutMs} ms`);
    }
    await sleep(READY_POLL_MS);
  }
}

function limitsOf(config: StandaloneConfig): SystemLimits {
  const { memory } = SYSTEM_LIMITS;
  const max = Math.min(config.memoryMaxMb, Math.floor(config.memory / 1024 ** 2));
  return {
    ...SYSTEM_LIMITS,
    memory: { ...memory, std: Math.min(memory.std, max), max },
    invocationsPerMinute: config.invocationsPerMinute,
    concurrentInvocations: config.concurrentInvocations,
    firesPerMinute: config.firesPerMinute,
    sequenceActionsMax: config.sequenceActionsMax,
    recordWaitMs: config.recordWaitMs,
  };
}

async function storeParent(): Promise<string> {
  return access(TMPFS).then(
    () => TMPFS,
    () => tmpdir(),
  );
}

async function privateFolder(parent: string, teardown: Teardown): Promise<string> {
  const path = await temporaryFolder(parent);
  teardown.add(path, () => removeFolder(path));
  return path;
}
