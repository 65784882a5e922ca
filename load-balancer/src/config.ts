/** Configuration of the load balancer, component `balancer`. */
import type { z } from 'zod';
import { configSchema, KAFKA_SECURITY_KEYS, key, TRACING_KEYS } from '@tetris/common';
import { weightProblem } from './dispatch/work';

export const balancerConfig = configSchema('balancer', {
  firstVirtualInvoker: key.integer(
    0,
    'invoker id',
    'First virtual invoker id of this process; the ids of all processes together must be dense from 0, each served by one',
    { max: 9_999 },
  ),
  virtualInvokers: key.integer(1, 'count', 'Virtual invoker ids of this process, ascending from the first', {
    min: 1,
    max: 100,
  }),
  userMemory: key.bytes(
    '64g',
    'Promised to the controllers for each virtual id: what may be in flight at once. Read by a controller at first sight only',
  ),
  name: key.text('tetris', 'text', 'Name of the virtual invokers in GET /invokers; their id is appended'),
  frontEnds: key.list(
    ['sharding'],
    'mode',
    "OpenWhisk's schedulers that activations come from: sharding, fpc, or both while a cluster moves",
    (item) => (item === 'sharding' || item === 'fpc' ? undefined : `takes sharding and fpc; got '${item}'`),
  ),
  etcdHosts: key.list(['127.0.0.1:2379'], 'host:port', "Members of the schedulers' etcd; for fpc"),
  etcdCluster: key.text('whisk', 'text', "The schedulers' whisk.cluster.name, with which every key begins; for fpc"),
  etcdLeaseTtlMs: key.integer(
    10_000,
    'ms',
    'Life of our keys after this process has ended without taking them away; need not be what the cluster uses',
    { min: 2_000 },
  ),
  etcdRequestMsMax: key.integer(3_000, 'ms', 'Longest wait for an answer of etcd', { min: 100 }),
  etcdTls: key.flag(false, 'Whether etcd is spoken to over TLS'),
  fpcFirstInvoker: key.integer(
    100,
    'invoker id',
    'Id of the first load balancer among the invokers of the schedulers, to which firstVirtualInvoker is added; above the ids of stock invokers. Controllers list each id below as down',
    { max: 99_999 },
  ),
  fpcTags: key.list(
    ['tetris'],
    'text',
    'Tags of our invokers: actions with the annotation invoker-resources of these come here; others while stock has no room',
  ),
  fpcTls: key.flag(false, 'Whether schedulers are spoken to over TLS, as their whisk.scheduler.grpc.tls says'),
  fpcPullsMax: key.integer(
    32,
    'calls',
    'Pulls at once for one action; what they do not fetch makes a scheduler order containers and then refuse the namespace',
    { min: 1, max: 1_000 },
  ),
  fpcPulledMax: key.integer(
    500,
    'activations',
    'Of one action, pulled and neither handed on nor answered; beyond it the rest waits at the scheduler. Below waitingMax',
    { min: 1 },
  ),
  fpcIdleMs: key.integer(
    600_000,
    'ms',
    'An action is no longer pulled after so long without an activation; its next one comes by an order, which takes some ms more',
    { min: 1_000 },
  ),
  fpcLostMs: key.integer(20_000, 'ms', 'Longest search for a scheduler that has the queue of an action', {
    min: 1_000,
  }),
  fpcSurplusMs: key.integer(
    3_000,
    'ms',
    "Time for which an order beyond the first is held; below the schedulers' in-progress-job-retention, for which they wait for those that a crash takes along",
    { min: 1 },
  ),
  fpcElsewhereMs: key.integer(
    500,
    'ms',
    'Time for which an order of a kind that is not served here is held: schedulers send them while no stock invoker has room, and order again after it',
    { min: 1 },
  ),
  fpcSurplusMax: key.integer(1_000, 'orders', 'Orders held at once; beyond it they are done at once', { min: 1 }),
  fpcActionsIntervalMs: key.integer(
    10_000,
    'ms',
    'Between looks at the entity database for new actions, where no controller says that there are some',
    { min: 100 },
  ),
  fpcNewQueueHints: key.integer(
    32,
    'orders',
    'Attracted at once for an action whose queue is new; what schedulers order beyond it goes to stock invokers that have room',
    { min: 1, max: 100 },
  ),
  controllers: key.list(
    ['0'],
    'text',
    'Controller ids known beforehand; others are served from their first message on',
  ),
  controllersMax: key.integer(64, 'count', 'Controllers served at most; each costs a topic and a consumer', { min: 1 }),
  controllerPrefix: key.text('', 'text', 'Prefix P of the topics that the controllers use'),
  invokerPrefix: key.text(
    'tetris-',
    'text',
    'Prefix Q of the topics that the invokers use; must differ from P on one broker. none: no prefix',
  ),
  kafkaBrokers: key.list(['127.0.0.1:9092'], 'host:port', 'Brokers of the controllers'),
  invokerKafkaBrokers: key.list([], 'host:port', 'Brokers of the invokers where these are others'),
  kafkaReplicationFactor: key.integer(1, 'count', 'Of the topics that this process creates', { min: 1 }),
  ...KAFKA_SECURITY_KEYS,
  redisUrl: key.text('redis://127.0.0.1:6379', 'URL', 'Registry'),
  couchUrl: key.text('http://127.0.0.1:5984', 'URL', 'Entity database, credentials included'),
  couchPrefix: key.text('whisk_local_', 'text', "Prefix of the databases' names; Ansible's db_prefix"),
  arrivalCapacity: key.integer(2_000, 'activations', 'Being handed on or waiting for an invoker, for each virtual id', {
    min: 1,
  }),
  ackCapacity: key.integer(1_000, 'acks', 'Being passed on at once, for each controller', { min: 1 }),
  invokerInFlightMax: key.integer(
    256,
    'activations',
    'Handed to one invoker and not finished; beyond it activations wait here, where another invoker may take them',
    { min: 1 },
  ),
  queuedShare: key.number(
    0.5,
    'ratio',
    'Part of invokerInFlightMax for activations that find no place in an instance; the actions there share it, the rest is for those that do',
    { max: 1 },
  ),
  namespaceWeights: key.list(
    [],
    'namespace=weight',
    'Shares of those that wait here: a namespace with weight 2 gets on twice as fast as one with 1, the default',
    weightProblem,
  ),
  messageBytesMax: key.bytes('2m', 'Message limit of the topics that this process creates; at least the stock 1054644'),
  tetrisKinds: key.list(['nodejs:tetris'], 'kind', 'Kinds placed by tensor similarity on tetris invokers'),
  plainKinds: key.list(
    ['nodejs:default', 'nodejs:20', 'nodejs:2*'],
    'kind',
    'Kinds that tetris invokers run too where there is no stock invoker; a trailing * matches any ending',
  ),
  concurrencyDefault: key.integer(
    4,
    'activations',
    'At once in an instance of a tetris kind whose action has an objective or batches, and says no number; as at the invokers',
    {
      min: 1,
    },
  ),
  managedFraction: key.number(0.9, 'ratio', "Stock invokers for managed kinds; equal to the controllers' setting", {
    max: 1,
  }),
  blackboxFraction: key.number(0.1, 'ratio', "Stock invokers for blackbox actions; equal to the controllers' setting", {
    max: 1,
  }),
  timeLimitStdMs: key.integer(60_000, 'ms', "The controllers' whisk.time-limit.std"),
  timeLimitMaxMs: key.integer(300_000, 'ms', "The controllers' whisk.time-limit.max, assumed of unreadable actions"),
  timeoutFactor: key.number(2, 'ratio', "The controllers' whisk.loadbalancer.timeout-factor", { min: 1 }),
  timeoutAddonMs: key.integer(60_000, 'ms', "The controllers' whisk.loadbalancer.timeout-addon"),
  waitMsMax: key.integer(
    30_000,
    'ms',
    'Longest wait for an invoker with room; then the activation is answered with an error',
  ),
  waitingMax: key.integer(
    1_000,
    'activations',
    'Waiting for an invoker with room, those of all virtual ids; beyond it the last of the longest queue of the lowest tetris-priority is refused. Below arrivalCapacity, which waiting ones take up',
    { min: 1 },
  ),
  lateWaitingMax: key.integer(
    256,
    'activations',
    'Of one action, waiting although they cannot be in time any more: they are served when nobody else is; beyond it the one that is due for longest is refused',
  ),
  sendMsMax: key.integer(30_000, 'ms', 'Longest time that an activation is offered to a broker that is away'),
  registryWaitMsMax: key.integer(500, 'ms', 'Longest wait for one in-flight id to be stored'),
  memoryDefault: key.bytes('256m', 'Memory assumed of an action whose document cannot be read'),
  silenceMs: key.integer(10_000, 'ms', 'Silence after which an invoker is given up and its activations are answered', {
    min: 1,
  }),
  stockGraceMs: key.integer(3_000, 'ms', 'An invoker that has pinged for so long without a status is a stock one'),
  suspectMs: key.integer(60_000, 'ms', 'Avoidance of an invoker after more than 3 system errors in 10'),
  forgetMs: key.integer(3_600_000, 'ms', 'An offline invoker is forgotten after this'),
  invokersMax: key.integer(4_096, 'count', 'Invoker ids at or above this are ignored', { min: 1 }),
  lostMs: key.integer(
    45_000,
    'ms',
    'An activation is lost if its invoker has said for so long that it does not have it; above the session timeout of the broker',
    { min: 1 },
  ),
  startMsMax: key.integer(20_000, 'ms', 'Memory stays set aside for a starting instance for at most this long'),
  actionsMax: key.integer(20_000, 'count', 'Actions and tensor manifests kept in memory', { min: 1 }),
  drainMsMax: key.integer(60_000, 'ms', 'Longest wait for activations in flight at shutdown'),
  statusPort: key.integer(0, 'port', 'Port of /status, /metrics, /health and the page; 0 switches it off', {
    max: 65_535,
  }),
  statusHost: key.text('127.0.0.1', 'address', 'Address that the status port listens on'),
  ...TRACING_KEYS,
  statusUser: key.text('', 'text', 'User of the page and of /status, by basic auth; without one there is no page'),
  statusPassword: key.text('', 'text', 'Password of this user'),
  profileUrl: key.text('', 'URL', 'Profiling service (tetris-profile-service) that the page passes on to. Empty: none'),
  logLevel: key.oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const, 'info', 'Log level'),
});

export type BalancerConfig = Readonly<z.infer<typeof balancerConfig.schema>>;
