import { homedir } from 'node:os';
import { join } from 'node:path';
import { configSchema, key } from '@tetris/common';
import { subjectProblem } from './controller/identities';
import { SYSTEM_LIMITS } from './controller/limits';

/** Component `standalone`: `TETRIS_STANDALONE_*`; the command's flags win over the environment. */
export const STANDALONE_CONFIG = configSchema('standalone', {
  host: key.text(
    '127.0.0.1',
    'address',
    'Address on which the REST API listens. The keys of guest and whisk.system are public: keep it on loopback.',
  ),
  port: key.integer(3233, 'port', 'Port of the REST API; 0 takes a free one.', { max: 65_535 }),
  invokers: key.integer(1, 'count', 'Nodes: each has an invoker extension and a tensor daemon of its own.', {
    min: 1,
    max: 64,
  }),
  memory: key.bytes('4g', 'Memory of each invoker for instances and store together.', {
    min: `${SYSTEM_LIMITS.memory.min}m`,
  }),
  dataPath: key.text('', 'path', 'Folder that keeps actions and activations across restarts; unset: memory only.'),
  profilePath: key.text(
    '',
    'path',
    'Folder of profiles that the scaler starts from; unset: those in the data folder, or with `npm start` and no data folder those in .cache/tetris-profiles of the home folder.',
  ),
  storePath: key.text(
    '',
    'path',
    'Folder for the tensor stores, one below it for each node; unset: a private one in memory.',
  ),
  models: key.list([], 'paths', 'Registered model folders: actions may load models below them by path.'),
  urlSources: key.list([], 'URL prefixes', 'URLs from which the daemons may fetch models.'),
  auth: key.list(
    [],
    'name=uuid:secret',
    'Subjects beside the guest, each with a namespace of its name.',
    subjectProblem,
  ),
  metrics: key.oneOf(
    ['loopback', 'anyone', 'off'],
    'loopback',
    'Who gets /metrics, on the port of the REST API: who asks from this machine, whoever reaches it, nobody.',
  ),
  pages: key.oneOf(
    ['loopback', 'anyone', 'off'],
    'loopback',
    'Who gets the pages, on the port of the REST API: who asks from this machine, whoever reaches it, nobody.',
  ),
  activationsMax: key.integer(10_000, 'records', 'Activation records kept; the oldest leave.', { min: 100 }),
  invocationsPerMinute: key.integer(
    SYSTEM_LIMITS.invocationsPerMinute,
    'activations',
    'Invocations of a namespace in a minute.',
    { min: 1 },
  ),
  concurrentInvocations: key.integer(
    SYSTEM_LIMITS.concurrentInvocations,
    'activations',
    'Invocations of a namespace at once.',
    { min: 1 },
  ),
  firesPerMinute: key.integer(SYSTEM_LIMITS.firesPerMinute, 'fires', 'Triggers that a namespace fires in a minute.', {
    min: 1,
  }),
  sequenceActionsMax: key.integer(
    SYSTEM_LIMITS.sequenceActionsMax,
    'actions',
    'Actions in a sequence or composition, those of sequences in it included.',
    { min: 1 },
  ),
  recordWaitMs: key.integer(
    SYSTEM_LIMITS.recordWaitMs,
    'ms',
    'Longest wait of a blocking answer for its activation record to be readable.',
    { min: 0 },
  ),
  memoryMaxMb: key.integer(
    SYSTEM_LIMITS.memory.max,
    'MB',
    'Largest memory limit of an action; never above the memory of an invoker.',
    { min: 128 },
  ),
  startTimeoutMs: key.integer(
    30_000,
    'ms',
    'Longest wait for the daemons and for the first healthy invoker at start.',
    { min: 1_000 },
  ),
  stopTimeoutMs: key.integer(10_000, 'ms', 'Longest wait for a daemon to end by itself at stop, before it is killed.', {
    min: 100,
  }),
  daemonRestartsMax: key.integer(
    5,
    'count',
    'Restarts of a daemon that dies, within a minute, before it is left alone.',
    { min: 0 },
  ),
  logLevel: key.oneOf(
    ['silent', 'error', 'warn', 'info', 'debug'],
    'warn',
    'Least severe level that is logged, on stderr.',
  ),
});

/** Where profiles are when nobody says otherwise. */
export const defaultArchive = (): string => join(homedir(), '.cache', 'tetris-profiles');

export type StandaloneConfig = ReturnType<(typeof STANDALONE_CONFIG)['schema']['parse']>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** This process's environment with settings that win over it. */
export function environmentWith(settings: Environment = {}): Environment {
  return { ...process.env, ...settings };
}
