/** What is asked of the engine for one container. Source: OpenWhisk's `DockerContainerFactory.scala`. */
import type { HostConfig } from 'dockerode';
import type { ContainerSpec } from './container';
import { type Mount, mountedEnvironment, mountsOf, type NodePaths, TEMPORARY_INSIDE } from './container-paths';
import type { DockerConfig } from './docker-config';
import { applyExtraArgs, type ContainerRequest, type ExtraArgs, pairs, ulimit } from './docker-extra-args';

/** What a request depends on beside the container's own specification. */
export interface RequestSettings extends NodePaths {
  config: DockerConfig;
  extraArgs: ExtraArgs;
  /** This invoker: unique on the engine. Part of names and labels. */
  invoker: string;
  /** Memory for all containers of this invoker, bytes: the denominator of CPU shares. */
  userMemoryBytes: number;
}

export const INVOKER_LABEL = 'tetris.invoker';
export const INSTANCE_LABEL = 'tetris.instance';

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
      Mounts: mountsOf(spec, settings).map(readOnlyMount),
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

function readOnlyMount({ source, target }: Mount): {
  Type: 'bind';
  Source: string;
  Target: string;
  ReadOnly: true;
} {
  return { Type: 'bind', Source: source, Target: target, ReadOnly: true };
}

function environment(spec: ContainerSpec, settings: RequestSettings): string[] {
  const inside = Object.entries(mountedEnvironment(spec, settings));
  return [...inside.map(([name, value]) => `${name}=${value}`), ...settings.config.dockerExtraEnv];
}
