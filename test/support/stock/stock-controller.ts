/** A stock OpenWhisk controller, built elsewhere, as a process: sharding mode, one in its cluster, on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@tetris/bench/servers';
import type { Servers } from '../cluster/services';
import { until } from '../until';
import { DATABASES } from './stock-databases';

const START_TIMEOUT_MS = 120_000;
const MAIN = 'org.apache.openwhisk.core.controller.Controller';
const CORE = 'org.apache.openwhisk.core';

/** Lines about what it was told by us, or about its books. */
const ABOUT_US = /\[(WARN|ERROR)\].*\[(ShardingContainerPoolBalancer|MessageFeed|Invoker\w*|Kafka\w*|\w*Ack\w*)\]/;
/** What a controller says rightly when there is nobody to take an activation, or little room. */
const RIGHTLY = /failed to schedule activation|system is overloaded/;

export class StockController {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #logPath: string;

  private constructor(port: number, child: ChildProcess, logPath: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.#child = child;
    this.#logPath = logPath;
  }

  /** @param classPath of Java; @param folder for its log. Resolves when it answers. */
  static async start(servers: Servers, classPath: string, folder: string): Promise<StockController> {
    const port = await freePort();
    const logPath = join(folder, 'controller.log');
    const log = openSync(logPath, 'w');
    const settings = Object.entries(settingsOf(servers)).map(([key, value]) => `-D${key}=${value}`);
    const child = spawn('java', ['-Xmx1g', ...settings, '-cp', classPath, MAIN, '0'], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...environmentOf(servers, port) },
      stdio: ['ignore', log, log],
    });
    const controller = new StockController(port, child, logPath);
    const answers = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`the controller has ended\n${controller.log.slice(-4_000)}`);
      return fetch(`${controller.url}/ping`).then(
        ({ ok }) => ok,
        () => false,
      );
    };
    await until(answers, START_TIMEOUT_MS, 'the controller answers').catch(async (error: unknown) => {
      await controller.stop();
      throw error;
    });
    return controller;
  }

  get log(): string {
    return readFileSync(this.#logPath, 'utf8');
  }

  /** Warnings and errors about messages that it got, and about its books. */
  complaints(): string[] {
    return this.log.split('\n').filter((line) => ABOUT_US.test(line) && !RIGHTLY.test(line));
  }

  /** `GET /invokers`: name to state. */
  async invokers(): Promise<Record<string, string>> {
    return (await fetch(`${this.url}/invokers`)).json() as Promise<Record<string, string>>;
  }

  /** Every state that an invoker has gone through, such as `up`, from the log. */
  states(): string[] {
    const changes = this.log.matchAll(/\[InvokerPool\] invoker status changed to (.*)/g);
    return [...changes].map(([, states = '']) => states);
  }

  /** Activations whose slot has not come back. */
  async inFlight(): Promise<number> {
    return Number(await (await fetch(`${this.url}/activation/count`)).text());
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}

/** What Ansible's controller role sets as `CONFIG_*`, and the loopback. Akka until 2.0.0, Pekko after it. */
function settingsOf({ couch }: Servers): Record<string, string | number> {
  const { hostname, port, username, password } = new URL(couch.url);
  const remote = (name: string): Record<string, string | number> => ({
    [`${name}.remote.artery.canonical.hostname`]: '127.0.0.1',
    [`${name}.remote.artery.canonical.port`]: 0,
  });
  return {
    ...remote('akka'),
    ...remote('pekko'),
    'whisk.spi.LoadBalancerProvider': `${CORE}.loadBalancer.ShardingContainerPoolBalancer`,
    'whisk.spi.EntitlementSpiProvider': `${CORE}.entitlement.LocalEntitlementProvider`,
    'whisk.controller.protocol': 'http',
    'whisk.controller.interface': '127.0.0.1',
    'whisk.cluster.name': 'tetris-test',
    'whisk.info.date': '2026-01-01',
    'whisk.info.build-no': 'test',
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

function environmentOf({ kafka }: Servers, port: number): Record<string, string> {
  const attached = { attachmentName: 'codefile', attachmentType: 'text/plain' };
  const image = { prefix: 'tetris', name: 'not-pulled', tag: 'latest' };
  const kind = (name: string, isDefault: boolean): object => ({
    kind: name,
    default: isDefault,
    deprecated: false,
    image,
    attached,
  });
  const runtimes = { nodejs: [kind('nodejs:20', true), kind('nodejs:tetris', false)] };
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
