import { resolve } from 'node:path';
import { errorMessage, outliveReaders, PluginError, readConfig } from '@tetris/common';
import { Command } from 'commander';
import { defaultArchive, environmentWith, STANDALONE_CONFIG, type StandaloneConfig } from './config';
import { KINDS } from './controller/manifest';
import { launch, type Platform } from './platform';
import { roomWarning, smallPagesNote } from './store-room';

interface Flags {
  port?: string;
  invokers?: string;
  memory?: string;
  data?: string;
  store?: string;
  models?: string[];
  url?: string[];
  auth?: string[];
  metrics?: string;
  verbose?: boolean;
}

/** What the keys are called that have a flag. */
const FLAG_NAMES: Readonly<Record<string, string>> = {
  port: '--port',
  invokers: '--invokers',
  memory: '--memory',
  dataPath: '--data',
  storePath: '--store',
  models: '--models',
  urlSources: '--url',
  auth: '--auth',
  metrics: '--metrics',
};

/** Where nothing is kept across restarts, `npm run profile` and `npm start` meet in the home folder. */
function withProfiles(config: StandaloneConfig): StandaloneConfig {
  const { profilePath, dataPath } = config;
  return profilePath === '' && dataPath === '' ? { ...config, profilePath: defaultArchive() } : config;
}

/** What is set of these in the environment wins. */
const STEM_CELLS = {
  TETRIS_INVOKER_STEM_CELLS: 'nodejs:tetris@256m=1',
  TETRIS_INVOKER_STEM_CELL_BYTES_MAX: '512m',
};

function readFlags(): Flags {
  return new Command('npm start --')
    .description('OpenWhisk with the kind nodejs:tetris on this machine, in one command.')
    .option('--port <port>', 'port of the REST API on 127.0.0.1 (default: 3233)')
    .option('--invokers <count>', 'nodes, each with a store of its own (default: 1)')
    .option('--memory <size>', 'memory of each invoker (default: 4g)')
    .option('--data <folder>', 'keep actions and activations there across restarts')
    .option('--store <folder>', 'where tensors live (default: in memory)')
    .option('--models <folder...>', 'model folders that actions may load from by path')
    .option('--url <prefix...>', 'URLs below which actions may load models')
    .option('--auth <name=uuid:secret...>', 'subjects beside the guest')
    .option('--metrics <who>', 'who gets /metrics: loopback, anyone or off (default: loopback)')
    .option('--verbose', 'log what happens')
    .parse()
    .opts<Flags>();
}

/** An empty value is a variable that was not set where the command was written: not what the default is for. */
function refuseEmpty(flags: Flags): void {
  const empty = Object.entries(flags).find(([, value]) => [value].flat().includes(''));
  if (empty !== undefined) throw new PluginError('ERR_CONFIG_INVALID', `--${empty[0]}: takes a value; got ''`);
}

const MIB = 1024 ** 2;
const sizeOf = (bytes: number): string =>
  bytes < 1024 * MIB ? `${Math.floor(bytes / MIB)} MiB` : `${(bytes / 1024 / MIB).toFixed(1)} GiB`;

function welcome(
  { url, auth, nodes, storeRoom }: Platform,
  { invokers, memory, dataPath, metrics }: StandaloneConfig,
): string {
  const count = invokers === 1 ? 'one node' : `${invokers} nodes`;
  const budget = storeRoom.bytesMax < memory ? `, of which ${sizeOf(storeRoom.bytesMax)} for shared tensors` : '';
  const tensors = nodes.map((node) => `  npm run tensors -- --socket ${node.operatorSocketPath} models`);
  return `
Tetris for OpenWhisk is ready on ${url}: ${count}, ${sizeOf(memory)} each${budget}.
Kinds: ${KINDS.join(', ')}. ${dataPath === '' ? 'Actions and activations are forgotten at the end (--data keeps them).' : `Data: ${dataPath}`}

For clients, in another terminal:
  wsk property set --apihost ${url} --auth ${auth}
  export AUTH=${auth}
For operators, what is shared now:
${tensors.join('\n')}

Ctrl-C ends it.${metrics === 'off' ? '' : ` Metrics for Prometheus: ${url}/metrics`}
`;
}

function explain(error: unknown, config: StandaloneConfig | undefined): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') return `port ${config?.port} is in use; choose another with --port`;
  if (code === 'EACCES') return `port ${config?.port} may not be used by this user; choose another with --port`;
  return errorMessage(error);
}

/** Stops the platform on the first signal; a second one ends this process at once, and the children notice. */
function stopOnSignals(starting: Promise<Platform>): void {
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals > 1) process.exit(1);
    process.stderr.write('stopping...\n');
    void starting.then((platform) => platform.stop()).then(() => process.exit(0));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    void starting.then((platform) => platform.stop()).finally(() => process.exit(1));
  });
}

async function main(): Promise<void> {
  outliveReaders();
  const flags = readFlags();
  const env = { ...STEM_CELLS, ...environmentWith() };
  let config: StandaloneConfig | undefined;
  try {
    refuseEmpty(flags);
    const values: Record<string, unknown> = {
      port: flags.port,
      invokers: flags.invokers,
      memory: flags.memory,
      dataPath: flags.data && resolve(flags.data),
      storePath: flags.store && resolve(flags.store),
      models: flags.models?.map((path) => resolve(path)),
      urlSources: flags.url,
      auth: flags.auth,
      metrics: flags.metrics,
      logLevel: flags.verbose === true ? 'info' : undefined,
    };
    config = withProfiles(readConfig(STANDALONE_CONFIG, env, values, FLAG_NAMES));
    const given = Object.entries(FLAG_NAMES).filter(([name]) => values[name] !== undefined);
    const starting = launch(config, env, Object.fromEntries(given));
    stopOnSignals(starting);
    const platform = await starting;
    const warning = roomWarning(platform.storeRoom, config.memory);
    if (warning !== undefined) process.stderr.write(`tetris: warning: ${warning}\n`);
    const smallPages = platform.nodes[0]?.smallPages;
    if (smallPages !== undefined) process.stderr.write(`tetris: ${smallPagesNote(smallPages)}\n`);
    // Last, so that whoever waits for it has been told the rest.
    process.stdout.write(welcome(platform, config));
  } catch (error) {
    process.stderr.write(`tetris: ${explain(error, config)}\n`);
    process.exit(1);
  }
}

void main();
