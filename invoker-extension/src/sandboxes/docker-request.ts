/** What is asked of the engine for one container. Source: OpenWhisk's `DockerContainerFactory.scala`. */
import { basename, dirname, join, posix } from 'node:path';
import type { HostConfig } from 'dockerode';
import type { ContainerSpec } from './container';
import type { DockerConfig } from './docker-config';
import { applyExtraArgs, type ContainerRequest, type ExtraArgs, pairs, ulimit } from './docker-extra-args';
import { instanceEnvironment } from './environment';

/** A registered model folder: its path inside containers and on the node. */
export interface ModelRoot {
  inside: string;
  outside: string;
}

/** `/models=/srv/models` or `/models`, as the daemon's key `modelRoots` has it. */
export function parseModelRoot(text: string): ModelRoot {
  const [inside = '', outside = inside] = text.split('=', 2);
  return { inside, outside };
}

/** What a request depends on beside the container's own specification. */
export interface RequestSettings {
  config: DockerConfig;
  extraArgs: ExtraArgs;
  /** This invoker: unique on the engine. Part of names and labels. */
  invoker: string;
  /** Memory for all containers of this invoker, bytes: the denominator of CPU shares. */
  userMemoryBytes: number;
  /** The daemon's instance socket on the node; its folder is mounted. Undefined without a daemon. */
  daemonSocketPath?: string | undefined;
  modelRoots: readonly ModelRoot[];
}

export const INVOKER_LABEL = 'tetris.invoker';
export const INSTANCE_LABEL = 'tetris.instance';
/** Where every container listens. */
export const CONTAINER_PORT = 8080;

const VIEWS_INSIDE = '/tetris/views';
const DAEMON_FOLDER_INSIDE = '/run/tetris';
const TEMPORARY_INSIDE = '/tmp';
const NAME_CHARACTERS_MAX = 200;
/** Shares of the whole node, and the fewest a container gets. */
const CPU_SHARES = 1024;
const CPU_SHARES_MIN = 2;

export function containerRequest(spec: ContainerSpec, settings: RequestSettings): ContainerRequest {
  const { config, extraArgs, invoker } = settings;
  const request: ContainerRequest = {
    name: containerName(invoker, spec.name),
    Image: config.dockerImage,
    Env: environment(spec, settings),
    Labels: { [INVOKER_LABEL]: invoker, [INSTANCE_LABEL]: spec.instance },
    ...(config.dockerUser === 'image' ? {} : { User: config.dockerUser }),
    HostConfig: {
      ...limits(spec, settings),
      ...(config.dockerReadOnlyRoot ? readOnlyRoot(config.dockerTmpBytesMax) : {}),
      Mounts: mounts(spec, settings),
      NetworkMode: config.dockerNetwork,
      CapDrop: ['NET_RAW', 'NET_ADMIN'],
      SecurityOpt: ['no-new-privileges'],
      LogConfig: { Type: config.dockerLogDriver, Config: pairs(config.dockerLogOptions) },
      // As process 1 node would ignore SIGTERM and reap nobody.
      Init: true,
    },
  };
  applyExtraArgs(request, extraArgs);
  return request;
}

/**
 * `wsktetris<invoker>_<name>` in the characters that the engine allows. A stock invoker's clean-up never matches it.
 */
export function containerName(invoker: string, name: string): string {
  return `wsktetris${invoker}_${name}`.replace(/[^a-zA-Z0-9_.-]/g, '').slice(0, NAME_CHARACTERS_MAX);
}

function limits(spec: ContainerSpec, { config, userMemoryBytes }: RequestSettings): HostConfig {
  const shares = Math.floor((CPU_SHARES * spec.memoryBytes) / userMemoryBytes);
  return {
    Memory: spec.memoryBytes,
    // Equal to memory: no swap.
    MemorySwap: spec.memoryBytes,
    CpuShares: Math.max(CPU_SHARES_MIN, shares),
    ...(spec.cpus === undefined ? {} : { NanoCpus: Math.round(spec.cpus * 1e9) }),
    PidsLimit: config.dockerPidsMax,
    Ulimits: [ulimit('nofile=1024:1024')],
  };
}

function readOnlyRoot(tmpBytesMax: number): HostConfig {
  return { ReadonlyRootfs: true, Tmpfs: { [TEMPORARY_INSIDE]: `rw,nosuid,nodev,mode=1777,size=${tmpBytesMax}` } };
}

/**
 * The daemon's folder and not its socket is mounted: a daemon that starts again makes a new socket, which a mount of
 * the old one would never see.
 */
function mounts(spec: ContainerSpec, { daemonSocketPath, modelRoots }: RequestSettings): HostConfig['Mounts'] {
  const readOnly = (
    source: string,
    target: string,
  ): { Type: 'bind'; Source: string; Target: string; ReadOnly: true } => ({
    Type: 'bind',
    Source: source,
    Target: target,
    ReadOnly: true,
  });
  return [
    ...(spec.viewPath === undefined ? [] : [readOnly(spec.viewPath, posix.join(VIEWS_INSIDE, spec.instance))]),
    ...(daemonSocketPath === undefined ? [] : [readOnly(dirname(daemonSocketPath), DAEMON_FOLDER_INSIDE)]),
    ...modelRoots.map(({ inside, outside }) => readOnly(outside, inside)),
  ];
}

function environment(spec: ContainerSpec, { config, daemonSocketPath, modelRoots }: RequestSettings): string[] {
  const inside = instanceEnvironment(spec, {
    listen: String(CONTAINER_PORT),
    daemonSocketPath: daemonSocketPath && join(DAEMON_FOLDER_INSIDE, basename(daemonSocketPath)),
    viewsPath: VIEWS_INSIDE,
    modelRoots: modelRoots.map((root) => root.inside),
    temporaryPath: TEMPORARY_INSIDE,
  });
  return [...Object.entries(inside).map(([name, value]) => `${name}=${value}`), ...config.dockerExtraEnv];
}
