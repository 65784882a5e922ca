import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { DaemonClient, DaemonOperator, kafkaSecurity, readConfig } from '@tetris/common';
import { invokerConfig } from '@tetris/invoker-extension';
import { balancerConfig } from '@tetris/load-balancer';
import { DAEMON_CONFIG } from '@tetris/tensor-daemon';
import type { Environment, Facts } from './facts';
import { type Answer, answerOf } from './finding';
import { type ContainerSource, containerView } from './facts/container';
import { mountOf, parseEnvironment, platformOf, viewsDevice } from './facts/node';
import { httpAnswer, registryView, topicSizes } from './facts/servers';

/** Where to look. What is not given is not looked at. */
export interface Places extends ContainerSource {
  /** Folder of files `*.env`, such as those of the playbooks; the process's own environment adds to them. */
  settings: string;
  environment: Environment;
  /** Name of a container of Docker, or path of a file of `KEY=value` lines. */
  controller?: string;
  invoker?: string;
  /** Beside those of the load balancer's settings. */
  etcd: readonly string[];
}

type Settings = Extract<Facts['settings'], { value: unknown }>['value'];

/** Asks everybody at once; nobody's silence is an error. */
export async function gather(places: Places): Promise<Facts> {
  const settings = await answerOf(() => readSettings(places));
  const known = 'value' in settings ? settings.value : {};
  const [node, cluster, controller, stockInvoker] = await Promise.all([
    nodeFacts(known, places),
    clusterFacts(known, places),
    environmentOf(places.controller),
    environmentOf(places.invoker),
  ]);
  return { settings, memoryBytes: totalmem(), ...node, ...cluster, ...given({ controller, stockInvoker }) };
}

/** @throws PluginError `ERR_CONFIG_INVALID` with every problem of a component */
async function readSettings({ settings, environment }: Places): Promise<Settings> {
  const files = (await readdir(settings).catch(() => [])).filter((name) => name.endsWith('.env'));
  const texts = await Promise.all(files.map((name) => readFile(join(settings, name), 'utf8')));
  const all = Object.assign({}, ...texts.map(parseEnvironment), environment) as Environment;
  const has = (component: string): boolean => Object.keys(all).some((name) => name.startsWith(`TETRIS_${component}_`));
  return {
    ...(has('DAEMON') && { daemon: readConfig(DAEMON_CONFIG, all) }),
    ...(has('INVOKER') && { invoker: readConfig(invokerConfig, all) }),
    ...(has('BALANCER') && { balancer: readConfig(balancerConfig, all) }),
  };
}

async function nodeFacts({ daemon }: Settings, places: Places): Promise<Partial<Facts>> {
  if (daemon === undefined) return {};
  const { storePath, socketPath, operatorSocketPath } = daemon;
  const operator = new DaemonOperator(operatorSocketPath);
  const instance = new DaemonClient(socketPath);
  const asked = places.image ?? places.container ?? places.pod;
  const mounts = { socketFolder: dirname(socketPath), storePath };
  const [storeMount, instanceSocket, operatorSocket, platform, device, container] = await Promise.all([
    answerOf(() => mountOf(storePath)),
    answerOf(() => instance.health()),
    answerOf(() => operator.health()),
    answerOf(() => platformOf(operator)),
    answerOf(() => viewsDevice(storePath)),
    asked === undefined ? undefined : answerOf(() => containerView(places, mounts)),
  ]);
  return { storeMount, instanceSocket, operatorSocket, platform, viewsDevice: device, ...given({ container }) };
}

async function clusterFacts({ balancer, invoker }: Settings, { etcd: named }: Places): Promise<Partial<Facts>> {
  const { frontEnds = [], etcdHosts = [] } = (balancer ?? {}) as { frontEnds?: string[]; etcdHosts?: string[] };
  const hosts = [...named, ...(frontEnds.includes('fpc') ? etcdHosts : [])];
  const askEtcd = async (host: string) => ({
    host,
    answer: await answerOf(() => httpAnswer(`http://${host}`, '/health')),
  });
  const etcd = hosts.length === 0 ? undefined : await Promise.all(hosts.map(askEtcd));
  const config = balancer ?? invoker;
  if (config === undefined) return given({ etcd });
  const [topics, registry, couch] = await Promise.all([
    answerOf(async () => topicSizes(config.kafkaBrokers, kafkaSecurity(config))),
    answerOf(() => registryView(config.redisUrl)),
    answerOf(() => httpAnswer(config.couchUrl, `/${config.couchPrefix}whisks`)),
  ]);
  return { topics, registry, couch, ...given({ etcd }) };
}

async function environmentOf(place: string | undefined): Promise<Answer<Environment> | undefined> {
  if (place === undefined) return undefined;
  return answerOf(async () => {
    if (place.includes('/')) return parseEnvironment(await readFile(place, 'utf8'));
    const args = ['inspect', '--format', '{{json .Config.Env}}', place];
    const { stdout } = await promisify(execFile)('docker', args);
    return parseEnvironment((JSON.parse(stdout) as string[]).join('\n'));
  });
}

/** Without what is undefined. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
