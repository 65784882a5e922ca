import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { START_ARGUMENTS } from '@tetris/action-runtime';
import {
  type Bus,
  createLogger,
  type DaemonOperator,
  type EntityStore,
  makeFolder,
  mountHugePages,
  readConfig,
  type Registry,
} from '@tetris/common';
import { openTracer } from '@tetris/common/tracing';
import { invokerConfig, InvokerExtension, ProcessFactory } from '@tetris/invoker-extension';
import type { Environment, StandaloneConfig } from './config';
import { DaemonProcess } from './daemon-process';
import { type InstanceProcess, instanceProcesses } from './instance-processes';
import type { Teardown } from './teardown';

/** One node: an invoker extension, a tensor daemon and their store. */
export interface PlatformNode {
  name: string;
  operator: DaemonOperator;
  storePath: string;
  /** Why its own store has no huge pages, where that is so. */
  smallPages: string | undefined;
  /** The daemon's instance socket. */
  socketPath: string;
  /** The daemon's operator socket, for `npm run tensors`. */
  operatorSocketPath: string;
  /** The node's private folder. */
  privatePath: string;
  /** The daemon's process; undefined while it is down. */
  readonly daemonPid: number | undefined;
  /** Of its invoker extension and its daemon, in the text format of Prometheus. */
  metrics(): Promise<string>;
  /** The function instances that live on the node now. */
  instances(): Promise<InstanceProcess[]>;
}

export interface NodeOptions {
  index: number;
  config: StandaloneConfig;
  env: Environment;
  bus: Bus;
  entities: EntityStore;
  registry: Registry;
  /** Private folder of the platform, for sockets and work files. */
  privatePath: string;
  /** Parent of the stores; `ownStore` says that it is private too. */
  storesPath: string;
  ownStore: boolean;
  /** Byte budget of the node's store. */
  storeBytesMax: number;
  apiHost: string;
  teardown: Teardown;
}

/** Starts a node's daemon, then its invoker; both are ended by the teardown. */
export async function startNode(options: NodeOptions): Promise<PlatformNode> {
  const { index, config, env, teardown } = options;
  const name = `node${index}`;
  const folder = join(options.privatePath, name);
  const storePath = join(options.storesPath, name);
  const workPath = join(folder, 'w');
  await mkdir(folder, { mode: 0o700 });
  makeFolder(storePath);
  const smallPages = options.ownStore ? await mountHugePages(storePath, options.storeBytesMax) : undefined;
  const socketPath = join(folder, 'i.sock');
  const operatorSocketPath = join(folder, 'o.sock');

  const daemon = new DaemonProcess({
    env: {
      TETRIS_DAEMON_STORE_BYTES_MAX: String(options.storeBytesMax),
      TETRIS_DAEMON_LOG_LEVEL: config.logLevel,
      ...env,
      TETRIS_DAEMON_SOCKET_PATH: socketPath,
      TETRIS_DAEMON_OPERATOR_SOCKET_PATH: operatorSocketPath,
      TETRIS_DAEMON_STORE_PATH: storePath,
      TETRIS_DAEMON_MODEL_ROOTS: config.models.join(','),
      TETRIS_DAEMON_URL_SOURCES: config.urlSources.join(','),
    },
    operatorSocketPath,
    tether: { workPath, folders: options.ownStore ? [folder, storePath] : [folder] },
    startTimeoutMs: config.startTimeoutMs,
    stopTimeoutMs: config.stopTimeoutMs,
    restartsMax: config.daemonRestartsMax,
    log: createLogger(name, config.logLevel),
  });
  teardown.add(`daemon of ${name}`, () => daemon.stop());
  await daemon.start();

  const invoker = startInvoker(options, { name, workPath, socketPath, operator: daemon.operator });
  teardown.add(`invoker of ${name}`, () => invoker.stop());
  await invoker.start();
  return {
    name,
    smallPages,
    operator: daemon.operator,
    storePath,
    socketPath,
    operatorSocketPath,
    privatePath: folder,
    get daemonPid() {
      return daemon.pid;
    },
    metrics: () => invoker.nodeMetrics(),
    instances: () => instanceProcesses(workPath),
  };
}

interface NodePaths {
  name: string;
  workPath: string;
  socketPath: string;
  operator: DaemonOperator;
}

function startInvoker(options: NodeOptions, { name, workPath, socketPath, operator }: NodePaths): InvokerExtension {
  const { index, config, env, bus, entities, registry, apiHost, teardown } = options;
  const invoker = readConfig(
    invokerConfig,
    {
      TETRIS_INVOKER_DRAIN_MS: String(config.stopTimeoutMs),
      TETRIS_INVOKER_MEMORY_MAX_MB: String(config.memoryMaxMb),
      TETRIS_INVOKER_LOG_LEVEL: config.logLevel,
      // One machine's figures cost nothing, and somebody may look.
      TETRIS_INVOKER_REPORT_MS: '500',
      TETRIS_INVOKER_PROFILE_PATH: config.profilePath,
      ...env,
    },
    { instance: index, node: name, memory: config.memory, workPath, apiHost, modelRoots: config.models },
  );
  const factory = new ProcessFactory({
    command: invoker.runtimeCommand.length > 0 ? invoker.runtimeCommand : [process.execPath, ...START_ARGUMENTS],
    workPath,
    daemonSocketPath: socketPath,
    modelRoots: invoker.modelRoots,
    path: env['PATH'] ?? '',
    memoryWatchMs: invoker.memoryWatchMs,
  });
  const log = createLogger(`invoker${index}`, invoker.logLevel);
  const tracer = openTracer(invoker, 'invoker', name);
  teardown.add(`${name}: traces`, () => tracer.close());
  return new InvokerExtension({ config: invoker, bus, entities, registry, factory, daemon: operator, tracer, log });
}
