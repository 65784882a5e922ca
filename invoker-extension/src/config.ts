import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema, KAFKA_SECURITY_KEYS, key, TRACING_KEYS } from '@tetris/common';
import { STORE_LEVELS } from './messages/store-policy';
import { DOCKER_KEYS } from './sandboxes/docker-config';
import { KUBERNETES_KEYS } from './sandboxes/kubernetes-config';
import { KEEP_ALIVE_POLICIES } from './scaling/keep-alive-policy';
import { SCALING_KEYS } from './scaling/scaling-config';

/**
 * Configuration of one invoker extension, `TETRIS_INVOKER_*`. Limits repeat the controller's: both sides check them.
 */
export const invokerConfig = configSchema('invoker', {
  instance: key.integer(0, 'index', 'N of the topic invoker<N> that this invoker reads. Dense from 0 over the fleet.'),
  uniqueName: key.text('', 'text', 'Name shown by GET /invokers beside the index. Empty: tetris<N>.'),
  node: key.text(hostname(), 'text', 'Name of the node: invokers of one node share a store and must say the same.'),
  topicPrefix: key.text(
    'tetris-',
    'text',
    "Prefix of this side's topics. The controllers' own where there is no load balancer between; `none` for the empty one.",
  ),
  memory: key.bytes(
    '2g',
    'Memory for function instances and the leased part of the store, shared tensors counted once.',
  ),
  advertisedMemory: key.bytes('0', 'Memory that pings promise to controllers. 0: the same as memory.'),
  inFlightMax: key.integer(
    1024,
    'activations',
    'Activations taken from the topic and not yet answered; reading pauses at it.',
    { min: 1 },
  ),
  waitingMax: key.integer(
    768,
    'activations',
    'Activations that wait for an instance; beyond it the action with most of them gives one up. Less than inFlightMax, so that those of others are still read.',
    { min: 1 },
  ),
  waitMaxMs: key.integer(
    120_000,
    'ms',
    "Longest wait for an instance, then the activation is answered with status 3. Below the controllers' own timer, 180000.",
    { min: 1 },
  ),
  patienceMs: key.integer(
    5_000,
    'ms',
    'Wait for memory after which an action has it reserved and instances are drained for it.',
  ),
  startsMax: key.integer(10, 'containers', 'Containers created at once.', { min: 1 }),
  barredMs: key.integer(
    5_000,
    'ms',
    'After an instance beside others could not be made ready no further one of its action is tried for so long.',
  ),
  pauseGraceMs: key.integer(10_000, 'ms', 'Idle time after which an instance is frozen.'),
  sleepAfterMs: key.integer(
    5_000,
    'ms',
    'Idle time after which an instance frees its sessions where memory is short; its tensors stay, and the next request loads them again.',
  ),
  endProcessAfterMs: key.integer(
    60_000,
    'ms',
    'Idle time after which the process of such an instance ends; its container and its tensors stay, and the next request starts the process anew. Not below sleepAfterMs. Instances in pods, and in Docker containers, sleep on.',
  ),
  sleepPressurePercent: key.integer(
    80,
    '% of memory',
    'Use of memory from which idle instances without an objective do so; those with one, where somebody waits. 101: all only then.',
    { min: 1, max: 101 },
  ),
  growthBytesMax: key.bytes(
    '256m',
    'Private memory by which an instance may outgrow what it had after its first activations; then it is replaced between two of them, as soon as there is memory for the next. 0: any.',
  ),
  keepAlivePolicy: key.oneOf(
    KEEP_ALIVE_POLICIES,
    'fixed',
    'How long idle instances stay: always keepAliveMs, by the idle times the action has shown, or by worth under memory pressure.',
  ),
  keepAliveMs: key.integer(
    600_000,
    'ms',
    'Idle time after which an instance is removed; the most that any policy keeps.',
  ),
  stemCells: key.list(
    [],
    'kind@memory=count',
    'Containers kept started for the first action of this kind with exactly this memory, such as nodejs:tetris@256m=2; ended when memory is short.',
  ),
  stemCellBytesMax: key.bytes(
    '0',
    'Memory limits together of further stem cells: one of kind nodejs:tetris for each memory limit that instances have started with here, the latest first. 0: none.',
  ),
  tickMs: key.integer(200, 'ms', 'How often idle times and waits are looked at.', { min: 10 }),
  kinds: key.list(
    ['nodejs:tetris', 'nodejs:20', 'nodejs:default'],
    'kinds',
    'Kinds that run here; others are answered with status 3. Health tests always run.',
  ),
  concurrency: key.integer(
    4,
    'activations',
    'Activations at once in an instance of kind nodejs:tetris whose action has an objective or batches, and says no number. Without these it is 1, the concurrency limit, or annotation tetris-concurrency.',
    { min: 1, max: 500 },
  ),
  workers: key.integer(1, 'count', 'Inference workers of an instance.', { min: 1, max: 16 }),
  threads: key.integer(1, 'count', 'Threads of an inference worker.', { min: 1, max: 64 }),
  batch: key.integer(1, 'requests', 'Requests joined in one execution; 1 means no batching.', { min: 1, max: 256 }),
  batchWaitMs: key.integer(0, 'ms', 'Longest wait of a request for batch mates.'),
  sloMs: key.integer(
    0,
    'ms',
    'Latency objective of actions without annotation tetris-slo, whose activations then share instances. 0: none.',
  ),
  ...SCALING_KEYS,
  runtimeCommand: key.list(
    [],
    'words',
    'Program and arguments of the action runtime for process containers, such as node,/opt/tetris/runtime/main.js.',
  ),
  workPath: key.text(
    '',
    'path',
    "Folder for the process containers' sockets and files, of this invoker alone. Empty: one in the system's temporary folder.",
  ),
  memoryWatchMs: key.integer(250, 'ms', "How often a process container's memory is compared with its limit.", {
    min: 10,
  }),
  containers: key.oneOf(
    ['process', 'docker', 'kubernetes'],
    'process',
    'What function instances are: child processes of the invoker, containers of a Docker engine, or pods of Kubernetes.',
  ),
  ...DOCKER_KEYS,
  ...KUBERNETES_KEYS,
  apiHost: key.text('', 'url', '__OW_API_HOST of the containers. Empty: not set.'),
  daemonSocketPath: key.text(
    '',
    'path',
    "The tensor daemon's instance socket. Empty: no daemon, every instance loads privately.",
  ),
  daemonOperatorSocketPath: key.text(
    '',
    'path',
    "The tensor daemon's operator socket. Empty together with daemonSocketPath.",
  ),
  daemonPeerUrl: key.text(
    '',
    'URL',
    "Where daemons of other nodes fetch tensors from this node's, made known through the registry. Empty: nobody does.",
  ),
  peersMs: key.integer(
    5_000,
    'ms',
    'How often the daemon is told where those of other nodes are; a node that is silent for three times as long is forgotten.',
    {
      min: 100,
    },
  ),
  modelRoots: key.list(
    [],
    'paths',
    'Model folders registered with the daemon. Docker containers may see one elsewhere: inside=outside.',
  ),
  measureMs: key.integer(5_000, 'ms', 'How often private memory of instances and the store are measured.', {
    min: 100,
  }),
  reconcileMs: key.integer(10_000, 'ms', "How often the daemon's list of instances is compared with the living ones.", {
    min: 100,
  }),
  inventoryMs: key.integer(500, 'ms', "How often changes of the node's tensors are published.", { min: 10 }),
  inventorySnapshotMs: key.integer(30_000, 'ms', 'How often the whole set is published.', { min: 100 }),
  statusMs: key.integer(1_000, 'ms', 'How often the state is published when nothing changes.', { min: 10 }),
  reportMs: key.integer(
    2_000,
    'ms',
    'How often the status carries figures for pages: memory of the node, and of each function instances, latency and refusals. 0: never.',
  ),
  reportWindowMs: key.integer(60_000, 'ms', 'What these figures call lately.', { min: 1_000 }),
  reportFunctionsMax: key.integer(200, 'functions', 'Functions with figures; those used last.', { min: 1 }),
  statusThrottleMs: key.integer(50, 'ms', 'Changes closer together are published as one.'),
  pingMs: key.integer(1_000, 'ms', 'How often health is pinged. Controllers take 10000 of silence for death.', {
    min: 10,
    max: 9_000,
  }),
  recentActivationsMax: key.integer(
    16_384,
    'activations',
    'Activations whose ids are remembered: whose message comes again within so many others is not run again.',
    { min: 1 },
  ),
  ackAttempts: key.integer(5, 'count', 'Attempts to send an ack while the bus is away.', { min: 1, max: 20 }),
  ackRetryMs: key.integer(200, 'ms', 'Longest pause before the second attempt; doubled each time, up to 30 s.'),
  logWaitMs: key.integer(2_000, 'ms', 'Longest wait between two log lines before the sentinels.', { min: 1 }),
  replyBytesMax: key.bytes('1m', 'Longest reply of a container; whisk.activation.payload.max.'),
  truncationBytes: key.bytes('1m', 'How much of a longer reply its error shows; whisk.activation.payload.truncation.'),
  timeoutMinMs: key.integer(100, 'ms', 'whisk.time-limit.min'),
  timeoutMaxMs: key.integer(300_000, 'ms', 'whisk.time-limit.max'),
  memoryMinMb: key.integer(128, 'MB', 'whisk.memory.min'),
  memoryMaxMb: key.integer(512, 'MB', 'whisk.memory.max'),
  logsMinMb: key.integer(0, 'MB', 'whisk.log-limit.min'),
  logsMaxMb: key.integer(10, 'MB', 'whisk.log-limit.max'),
  concurrencyMin: key.integer(1, 'activations', 'whisk.concurrency-limit.min'),
  concurrencyMax: key.integer(500, 'activations', 'whisk.concurrency-limit.max'),
  actionCacheBytes: key.bytes('256m', 'Code of actions that the entity store keeps in memory.'),
  actionCacheTtlMs: key.integer(300_000, 'ms', 'Age at which a kept action is read again.', { min: 1 }),
  manifestCacheEntries: key.integer(10_000, 'actions', 'Manifests kept in memory.', { min: 1 }),
  blacklist: key.list(
    [],
    'namespaces',
    'Namespaces whose activations are acknowledged and not run, beside those that the subjects database blocks.',
  ),
  blacklistMs: key.integer(300_000, 'ms', 'How often the subjects database is asked for blocked namespaces.', {
    min: 100,
  }),
  storeBlocking: key.oneOf(STORE_LEVELS, 'always', 'Which records of blocking activations are stored.'),
  storeNonBlocking: key.oneOf(STORE_LEVELS, 'always', 'Which records of non-blocking activations are stored.'),
  eventsTopic: key.text('', 'topic', 'Topic of user events, prefix included. Empty: none are sent.'),
  parameterKey: key.text(
    '',
    'base64',
    'Key of locked parameters, 16 or 32 bytes, as whisk.parameter-storage.key. Empty: none.',
  ),
  kafkaBrokers: key.list(['127.0.0.1:9092'], 'host:port', 'Brokers.'),
  kafkaReplicationFactor: key.integer(1, 'count', 'Of the topics that this process creates.', { min: 1 }),
  ...KAFKA_SECURITY_KEYS,
  couchUrl: key.text('http://127.0.0.1:5984', 'URL', 'Entity database, credentials included.'),
  couchPrefix: key.text('whisk_local_', 'text', "Prefix of the databases' names; Ansible's db_prefix."),
  redisUrl: key.text('redis://127.0.0.1:6379', 'URL', 'Registry, shared with the load balancers.'),
  httpHost: key.text('127.0.0.1', 'address', 'Address of the HTTP server.'),
  httpPort: key.integer(0, 'port', 'Port of /ping, /metrics, /enable, /disable and /isEnabled. 0: no server.', {
    max: 65_535,
  }),
  httpUser: key.text('', 'text', 'Basic auth of /enable, /disable and /isEnabled. Empty: they are not served.'),
  httpPassword: key.text('', 'text', 'Password of httpUser.'),
  drainMs: key.integer(300_000, 'ms', 'Longest wait for running activations at the end.'),
  ...TRACING_KEYS,
  logLevel: key.oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const, 'info', 'Log level.'),
});

export type InvokerConfig = ReturnType<(typeof invokerConfig)['schema']['parse']>;

/** Where process containers keep their files when nothing is configured. */
export function workPathOf({ workPath, instance }: Pick<InvokerConfig, 'workPath' | 'instance'>): string {
  return workPath === '' ? join(tmpdir(), `tetris-invoker${instance}`) : workPath;
}
