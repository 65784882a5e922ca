/** A stock OpenWhisk component, built elsewhere, as a Java process on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { endProcess } from '@tetris/common';
import { freePort } from '@tetris/bench/servers';
import { RUNTIME_IMAGE } from '../docker/engine';
import type { Servers } from '../cluster/services';
import { until } from '../until';
import { DATABASES } from './stock-databases';

const START_TIMEOUT_MS = 120_000;
/** `whisk.cluster.name`. */
export const CLUSTER_NAME = 'tetris-test';

/** A controller sends schedulers what Kryo writes, which looks into Java's own classes; from Java 16 on they are closed. */
const OPENED = ['java.lang', 'java.math', 'java.util', 'java.net', 'java.time'].map(
  (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
);

export interface StockLaunch {
  name: string;
  /** As Java's `-cp` takes it. */
  classPath: string;
  mainClass: string;
  args: readonly string[];
  /** Beside what every component gets: configuration keys, and environment variables. */
  settings: Readonly<Record<string, string | number>>;
  env: Readonly<Record<string, string>>;
}

export class StockProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #logPath: string;

  private constructor(url: string, child: ChildProcess, logPath: string) {
    this.url = url;
    this.#child = child;
    this.#logPath = logPath;
  }

  /** @param folder for its log. Resolves when it answers; leaves nothing behind where it does not. */
  static async start(servers: Servers, launch: StockLaunch, folder: string): Promise<StockProcess> {
    const port = await freePort();
    const logPath = join(folder, `${launch.name}.log`);
    const log = openSync(logPath, 'w');
    const settings = Object.entries({ ...settingsOf(servers), ...launch.settings });
    const options = settings.map(([key, value]) => `-D${key}=${value}`);
    const child = spawn(
      'java',
      ['-Xmx1g', ...OPENED, ...options, '-cp', launch.classPath, launch.mainClass, ...launch.args],
      {
        cwd: folder,
        env: { PATH: process.env.PATH, ...environmentOf(servers, port), ...launch.env },
        stdio: ['ignore', log, log],
      },
    );
    const started = new StockProcess(`http://127.0.0.1:${port}`, child, logPath);
    const answers = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`${launch.name} has ended\n${started.log.slice(-4_000)}`);
      return fetch(`${started.url}/ping`).then(
        ({ ok }) => ok,
        () => false,
      );
    };
    await until(answers, `${launch.name} answers`, START_TIMEOUT_MS).catch(async (error: unknown) => {
      await started.stop();
      throw error;
    });
    return started;
  }

  get log(): string {
    return readFileSync(this.#logPath, 'utf8');
  }

  async stop(): Promise<void> {
    await endProcess(this.#child);
  }

  /** A crash. */
  async kill(): Promise<void> {
    await endProcess(this.#child, 'SIGKILL');
  }
}

/** What Ansible's roles set as `CONFIG_*`, and the loopback. Akka until 2.0.0, Pekko after it. */
function settingsOf({ couch }: Servers): Record<string, string | number> {
  const { hostname, port, username, password } = new URL(couch.url);
  const remote = (name: string): Record<string, string | number> => ({
    [`${name}.remote.artery.canonical.hostname`]: '127.0.0.1',
    [`${name}.remote.artery.canonical.port`]: 0,
  });
  return {
    ...remote('akka'),
    ...remote('pekko'),
    // Five seconds, by default, are too few on a machine that starts several at once.
    'akka.logger-startup-timeout': '60s',
    'pekko.logger-startup-timeout': '60s',
    'whisk.cluster.name': CLUSTER_NAME,
    'whisk.concurrency-limit.max': 500,
    'whisk.namespace-default-limit.concurrency-limit.max': 500,
    'whisk.couchdb.provider': 'CouchDB',
    'whisk.couchdb.protocol': 'http',
    'whisk.couchdb.host': hostname,
    'whisk.couchdb.port': port,
    'whisk.couchdb.username': username,
    'whisk.couchdb.password': password,
    ...Object.fromEntries(Object.entries(DATABASES).map(([role, name]) => [`whisk.couchdb.databases.${role}`, name])),
  };
}

/** A kind that only a stock invoker serves; its image is a Node runtime all the same. */
export const FOREIGN_KIND = 'foreign:1';

function environmentOf({ kafka }: Servers, port: number): Record<string, string> {
  const attached = { attachmentName: 'codefile', attachmentType: 'text/plain' };
  const [path = '', tag] = RUNTIME_IMAGE.split(':');
  const [prefix, name] = path.split('/');
  const kind = (kindName: string, isDefault: boolean): object => ({
    kind: kindName,
    default: isDefault,
    deprecated: false,
    image: { prefix, name, tag },
    attached,
  });
  const runtimes = {
    nodejs: [kind('nodejs:20', true), kind('nodejs:tetris', false)],
    foreign: [kind(FOREIGN_KIND, true)],
  };
  return {
    PORT: String(port),
    KAFKA_HOSTS: kafka.broker,
    RUNTIMES_MANIFEST: JSON.stringify({ runtimes, blackboxes: [] }),
    LIMITS_ACTIONS_INVOKES_PERMINUTE: '60',
    LIMITS_ACTIONS_INVOKES_CONCURRENT: '30',
    LIMITS_TRIGGERS_FIRES_PERMINUTE: '60',
    LIMITS_ACTIONS_SEQUENCE_MAXLENGTH: '50',
  };
}
