/**
 * The runtime's configuration keys as plain data. A function instance reads them with the small reader below: the
 * schema library would cost each instance 7.5 MB (measured). `config.ts` turns the same table into the schema for
 * everyone else.
 */
import { environmentName, parseBytes } from '@tetris/common/environment';
import { PluginError } from '@tetris/common/errors';

/** How a key's text is read. */
type Kind = 'text' | 'integer' | 'bytes' | 'flag' | 'list';

interface Key<K extends Kind = Kind> {
  kind: K;
  fallback: string;
  unit: string;
  text: string;
}

const key = <K extends Kind>(kind: K, fallback: string, unit: string, text: string): Key<K> => ({
  kind,
  fallback,
  unit,
  text,
});

/** Component name: the variables are `TETRIS_RUNTIME_<KEY>`. */
export const RUNTIME_COMPONENT = 'runtime';

/** Every key, with its default, unit and meaning. */
export const RUNTIME_KEYS = {
  listen: key(
    'text',
    '8080',
    'port or path',
    'Where /init and /run are served: a TCP port, or the path of a Unix socket.',
  ),
  daemonSocket: key('text', '', 'path', "The tensor daemon's instance socket. Empty: models are loaded privately."),
  views: key('text', '/tetris/views', 'path', 'The folder in which the views that the daemon grants are found.'),
  instance: key(
    'text',
    '',
    'token',
    "This instance's token at the daemon. Empty: the daemon makes one for each lease.",
  ),
  modelRoots: key(
    'list',
    '',
    'paths',
    'Model folders that the daemon knows under the same paths: it reads their models itself.',
  ),
  logTags: key('flag', 'false', 'true or false', 'Prefix every line of an activation with its id between two U+0001.'),
  bodyBytesMax: key('bytes', '48m', 'bytes', 'Largest request body.'),
  unpackedBytesMax: key('bytes', '1g', 'bytes', 'Largest sum of the files of an action archive.'),
  unpackedFilesMax: key('integer', '50000', 'count', 'Most files and folders in an action archive.'),
  warmUp: key(
    'flag',
    'false',
    'true or false',
    'Start an inference worker, and onnxruntime in it, with the process and not when the action asks for ' +
      '`onnxruntime-node`; it ends again where the action has not done so when it is loaded.',
  ),
  workersMax: key('integer', '16', 'count', 'Most inference workers, whatever /init asks for.'),
  workerHeapMax: key(
    'integer',
    '0',
    'MiB',
    'JavaScript heap of an inference worker: texts, and no other tensors, are in it. 0: as much as Node gives the main ' +
      'thread, by the memory of the machine or the control group.',
  ),
  queueMax: key(
    'integer',
    '512',
    'count',
    'Most inference requests whose inputs are copied, to be executed now or next; further ones wait until others end.',
  ),
  inputBytesMax: key(
    'bytes',
    '0',
    'bytes',
    "These copies together, at most; one that is larger waits until it is alone. 0: a quarter of the action's memory.",
  ),
  jointBytesMax: key('bytes', '256m', 'bytes', 'Inputs that are joined to one run, at most.'),
  batchLullWaits: key(
    'integer',
    '4',
    'waits',
    'A lull between requests counts as a gap of so many waiting times at most, so that a burst after it is recognised soon.',
  ),
  batchOverdueGaps: key(
    'integer',
    '2',
    'gaps',
    'A request that is overdue by so many of the usual gaps is waited for no longer.',
  ),
  batchAlikePercent: key(
    'integer',
    '5',
    'percent',
    'Batch sizes whose time per request is above the least by less than this are as good; the smallest of them is taken.',
  ),
  batchFreshRuns: key(
    'integer',
    '64',
    'runs',
    'For each request of its batch: a size that was not run for so long is tried again.',
  ),
  quickBytesMin: key(
    'bytes',
    '0',
    'bytes',
    'Shared models of at least this size answer first from a session that is ready sooner, while the one with packed ' +
      'weights is made: many times quicker, for about 2 MB more an instance. 0: none.',
  ),
  daemonSilenceMs: key(
    'integer',
    '10000',
    'ms',
    'Silence of the daemon after which a model is loaded privately; it tells every second that it goes on.',
  ),
  shareWaitMs: key(
    'integer',
    '30000',
    'ms',
    'Longest time that a load waits for a shared model before it goes on privately; never more than half of what the ' +
      'activation has left.',
  ),
  busyRetryMs: key(
    'integer',
    '1000',
    'ms',
    'Longest pause between attempts where a queue or limit of the daemon is full.',
  ),
  busyAttemptsMax: key('integer', '5', 'count', 'Attempts then, before a model is loaded privately.'),
  leaseRetryMs: key('integer', '1000', 'ms', 'Pause between attempts to renew a lease that the daemon ended.'),
  leaseRetriesMax: key('integer', '60', 'count', 'Attempts to renew a lease before the model is left as it is mapped.'),
} as const satisfies Record<string, Key>;

interface Parsed {
  text: string;
  integer: number;
  bytes: number;
  flag: boolean;
  list: readonly string[];
}

/** The runtime's configuration, read and frozen. */
export type RuntimeConfig = {
  readonly [Name in keyof typeof RUNTIME_KEYS]: Parsed[(typeof RUNTIME_KEYS)[Name]['kind']];
};

const FLAGS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
};

const PARSERS: { [K in Kind]: (text: string) => Parsed[K] | undefined } = {
  text: (text) => text,
  integer: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined),
  bytes: parseBytes,
  flag: (text) => FLAGS[text.toLowerCase()],
  list: (text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
};

/**
 * Reads the configuration from the environment; an empty variable counts as unset.
 *
 * @throws PluginError `ERR_CONFIG_INVALID` that lists every bad value and every unknown `TETRIS_RUNTIME_` variable
 */
export function readRuntimeConfig(env: Readonly<Record<string, string | undefined>>): RuntimeConfig {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  const known = new Set<string>();
  for (const [name, { kind, fallback, unit }] of Object.entries(RUNTIME_KEYS)) {
    const variable = environmentName(RUNTIME_COMPONENT, name);
    known.add(variable);
    const text = env[variable] === undefined || env[variable] === '' ? fallback : env[variable];
    config[name] = PARSERS[kind](text);
    if (config[name] === undefined) problems.push(`${variable}: expected ${kind} (${unit}), got '${text}'`);
  }
  const prefix = environmentName(RUNTIME_COMPONENT, '');
  for (const variable of Object.keys(env)) {
    if (variable.startsWith(prefix) && !known.has(variable)) problems.push(`${variable}: no such key`);
  }
  if (problems.length > 0) {
    throw new PluginError('ERR_CONFIG_INVALID', `configuration of runtime is invalid:\n  ${problems.join('\n  ')}`);
  }
  return Object.freeze(config) as RuntimeConfig;
}
