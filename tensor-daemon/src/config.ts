import { configSchema, EXTERNAL_FILES_MAX, key, TRACING_KEYS } from '@tetris/common';
import type { z } from 'zod';

/** Configuration of the tensor daemon: `TETRIS_DAEMON_*`. */
export const DAEMON_CONFIG = configSchema('daemon', {
  socketPath: key.text(
    '/run/tetris/instance/daemon.sock',
    'path',
    'Instance socket: lease and upload, for containers. Its folder is mounted into them, so nothing else may lie there.',
  ),
  operatorSocketPath: key.text(
    '/run/tetris/operator/daemon.sock',
    'path',
    'Operator socket: registrations, lists, inventory and metrics. Never mount it into a container.',
  ),
  storePath: key.text('/dev/shm/tetris', 'path', 'Folder of the store: a tmpfs, or any folder on one file system.'),
  storeBytesMax: key.bytes(
    '0',
    'Byte budget of the store, everything included; 0 takes storeMemoryRatio of the memory.',
  ),
  storeMemoryRatio: key.number(
    0.5,
    'ratio',
    "Budget as a share of the machine's memory, or of what the daemon's control group may have, where storeBytesMax is 0.",
    { max: 1 },
  ),
  storeSync: key.oneOf(
    ['auto', 'always', 'never'],
    'auto',
    'Whether files are synced before they are published; auto: on every file system but tmpfs.',
  ),
  modelRoots: key.list(
    [],
    'folders',
    'Folders whose models may be leased by path, as inside=outside where they differ.',
  ),
  urlSources: key.list([], 'URL prefixes', 'Prefixes of the URLs that may be fetched; none by default.'),
  urlPrivateAllowed: key.flag(
    false,
    'Let host names of urlSources resolve to private addresses; addresses written out in a prefix always may.',
  ),
  urlTimeoutMs: key.integer(30_000, 'ms', 'Silence after which a fetch fails.', { min: 1 }),
  urlFetchMs: key.integer(1_800_000, 'ms', 'Longest fetch of one file.', { min: 1 }),
  urlMaxAgeMs: key.integer(60_000, 'ms', 'Time for which a URL is taken to hold what it held, without asking.'),
  modelBytesMax: key.bytes('16g', 'Largest model, its external data included; a larger one is loaded privately.'),
  externalFilesMax: key.integer(4_096, 'count', 'External data files of one model.', { max: EXTERNAL_FILES_MAX }),
  graphBytesMax: key.bytes('256m', 'Largest optimized graph without its tensors.'),
  tensorBytesMin: key.bytes(
    '4096',
    'Tensors below this stay in the graph: a page is the least that can be shared. At least 65: onnxruntime reads shapes of up to eight dimensions while it loads, and only from the graph.',
    { min: '65' },
  ),
  uploadsMax: key.integer(
    16_384,
    'count',
    'Files of uploaded or fetched models kept at a time, those under way included; a file goes when its model is in the store.',
    { min: 1 },
  ),
  uploadBytesMax: key.bytes('32g', 'Bytes of all of them; the byte budget of the store, where that is less.'),
  uploadTtlMs: key.integer(300_000, 'ms', 'Time for which an upload that nobody asks for is kept.', { min: 1 }),
  uploadsPerNamespaceMax: key.integer(
    8_192,
    'count',
    'The same of one namespace: more than externalFilesMax, or no model of so many files could be sent.',
    { min: 1 },
  ),
  uploadBytesPerNamespaceMax: key.bytes(
    '16g',
    'Bytes of those of one namespace: modelBytesMax at least, or no model of that size could be sent.',
  ),
  uploadIdleMs: key.integer(30_000, 'ms', 'Silence after which an upload fails.', { min: 1 }),
  uploadTimeoutMs: key.integer(1_800_000, 'ms', 'Longest upload.', { min: 1 }),
  ingestsMax: key.integer(1, 'count', 'Models ingested at the same time.', { min: 1 }),
  ingestQueueMax: key.integer(64, 'count', 'Models waiting for their ingest.'),
  ingestTimeoutMs: key.integer(600_000, 'ms', 'Longest optimization of a model.', { min: 1 }),
  ingestTrialMs: key.integer(
    5_000,
    'ms',
    'Longest run by which a model is compared before and after it was cut; what takes longer is only loaded. 0: none.',
  ),
  refusalsMax: key.integer(1_000, 'count', 'Models remembered that could not be ingested.', { min: 1 }),
  refusalTtlMs: key.integer(3_600_000, 'ms', 'Time after which such a model is tried again.', { min: 1 }),
  ingestMemoryBytesMax: key.bytes(
    '0',
    'Private memory that the optimizer process may have; 0 takes ingestMemoryRatio of the memory, 1 GiB at least.',
  ),
  ingestMemoryRatio: key.number(
    0.5,
    'ratio',
    "That memory as a share of the machine's, or of what the daemon's control group may have.",
    { max: 1 },
  ),
  ingestsPerNamespaceMax: key.integer(16, 'count', 'Models of one namespace that are being ingested or wait for it.', {
    min: 1,
  }),
  ingestUser: key.integer(
    0,
    'user id',
    'User and group that the optimizer process runs under; 0: those of the daemon. Takes root; models in modelRoots must be readable by it.',
  ),
  digestCacheMax: key.integer(10_000, 'count', 'Files and URLs whose digests are remembered.', { min: 1 }),
  leasesMax: key.integer(20_000, 'count', 'Leases held at a time.', { min: 1 }),
  leasesPerInstanceMax: key.integer(64, 'count', 'Leases of one instance.', { min: 1 }),
  leasesPerNamespaceMax: key.integer(2_000, 'count', 'Leases of all instances registered for one namespace.', {
    min: 1,
  }),
  modelsPerNamespaceMax: key.integer(
    256,
    'count',
    'Distinct models that the instances registered for one namespace hold.',
    { min: 1 },
  ),
  instancesMax: key.integer(5_000, 'count', 'Instances known at a time.', { min: 1 }),
  instanceGraceMs: key.integer(
    60_000,
    'ms',
    'Time after a restart within which a registered instance must be announced again to keep its views.',
  ),
  connectionsMax: key.integer(25_000, 'count', 'Connections to a socket at a time.', { min: 1 }),
  connectionsPendingMax: key.integer(
    1_000,
    'count',
    'Connections to the instance socket that have neither a lease nor an upload under way; a further one ends the oldest.',
    { min: 1 },
  ),
  connectionPendingMs: key.integer(15_000, 'ms', 'Longest time for which a connection may be so.', { min: 1 }),
  sharing: key.oneOf(
    ['cluster', 'namespace', 'off'],
    'cluster',
    'Who shares tensors: everybody, the registered instances of a namespace, or nobody but the workers of an instance.',
  ),
  instancesRegisteredOnly: key.flag(
    false,
    'Serve only instances that the operator has registered; without it limits per namespace can be evaded.',
  ),
  modelTtlMs: key.integer(600_000, 'ms', 'Time for which the tensors of a model that nobody holds are kept.'),
  sweepIntervalMs: key.integer(1_000, 'ms', 'Time between two looks for what has expired.', { min: 10 }),
  pressureStallPercent: key.number(
    10,
    'percent',
    'Share of time that tasks stall on memory (PSI, some, 10 s) above which models that nobody holds leave; 0: never.',
    { max: 100 },
  ),
  pressurePath: key.text(
    '/proc/pressure/memory',
    'path',
    "File that tells the memory pressure, in the kernel's PSI format.",
  ),
  cpuInfoPath: key.text(
    '/proc/cpuinfo',
    'path',
    "File that tells the CPU's features, in the kernel's format; models are optimized for them and shared among their like.",
  ),
  diskPath: key.text('', 'path', 'Folder of the disk tier, to which models go that leave the store; none by default.'),
  diskBytesMax: key.bytes('20g', 'Byte budget of the disk tier.'),
  diskOriginalBytesMax: key.bytes(
    '0',
    'Byte budget of models kept beside the disk tier as their URLs held them, for peers of another platform; 0: none.',
  ),
  diskVerify: key.oneOf(
    ['size', 'sha256'],
    'size',
    'What is checked of a file that comes back from the disk tier; sha256 finds rot and takes two to three times as long.',
  ),
  restoresMax: key.integer(2, 'count', 'Models brought back from disk or peers at the same time.', { min: 1 }),
  peerListen: key.text('', 'host:port', 'Where other daemons may fetch models from this one; nowhere by default.'),
  peers: key.list(
    [],
    'URLs',
    'Daemons that are asked for a model before it is ingested: http://host:port, or https:// with mutual TLS.',
  ),
  peersAskedMax: key.integer(16, 'count', 'Peers asked for one model: configured ones first, then any others.', {
    min: 1,
    max: 256,
  }),
  peerSecretPath: key.text(
    '',
    'path',
    'File with the secret that peers share: requests and manifests are signed with it.',
  ),
  peerTlsCertPath: key.text(
    '',
    'path',
    'Certificate that this daemon shows to its peers, PEM; with key and authority, peers speak mutual TLS.',
  ),
  peerTlsKeyPath: key.text('', 'path', 'Key of that certificate, PEM.'),
  peerTlsCaPath: key.text('', 'path', 'Authority by which the certificates of all peers must be signed, PEM.'),
  peerBytesPerSecondMax: key.bytes(
    '0',
    'Bytes that may go to peers in a second, and as many may come from them; 0: no bound.',
  ),
  peerParallelism: key.integer(4, 'count', 'Files fetched from a peer at the same time.', { min: 1, max: 64 }),
  peerConnectionsMax: key.integer(64, 'count', 'Connections of peers at a time.', { min: 1 }),
  peerTimeoutMs: key.integer(
    10_000,
    'ms',
    'Silence after which a peer counts as gone, and longest time for its answer to a question.',
    { min: 1 },
  ),
  peerRetryMs: key.integer(
    60_000,
    'ms',
    'Time for which a peer is not asked that was gone or sent other bytes than it said.',
  ),
  cleanupAttemptsMax: key.integer(
    12,
    'count',
    'Attempts at removing a file or view where that fails; what is left then is counted and goes at the next start.',
    { min: 1 },
  ),
  cleanupRetryMs: key.integer(
    1_000,
    'ms',
    'Pause before the second of these attempts; doubled with each further one.',
    {
      min: 1,
    },
  ),
  inventoryLogMax: key.integer(10_000, 'count', 'Changes of the inventory that can be asked for one by one.', {
    min: 1,
  }),
  faultPoint: key.text('', 'name', 'For tests: the point in the code at which the daemon kills itself.'),
  ...TRACING_KEYS,
  logLevel: key.oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info', 'Least level logged.'),
});

/** The daemon's configuration as read. */
export type DaemonConfig = Readonly<z.infer<(typeof DAEMON_CONFIG)['schema']>>;
