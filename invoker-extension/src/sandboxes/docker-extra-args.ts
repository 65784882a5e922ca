/**
 * `docker run` options by their long names, as OpenWhisk's `container-args.extra-args` writes them, turned into what
 * the engine's API wants.
 */
import { parseBytes, PluginError } from '@tetris/common';
import type { ContainerCreateOptions, HostConfig } from 'dockerode';

/** Long option name without dashes -> its values, in order. */
export type ExtraArgs = Readonly<Record<string, readonly string[]>>;

/** A request to create a container, host part included. */
export type ContainerRequest = ContainerCreateOptions & { HostConfig: HostConfig };

type Apply = (request: ContainerRequest, values: readonly string[], name: string) => void;

const OPTIONS: Readonly<Record<string, Apply>> = {
  'add-host': host((values) => ({ ExtraHosts: values })),
  'cap-add': host((values) => ({ CapAdd: values })),
  'cap-drop': host((values) => ({ CapDrop: values })),
  'cpu-shares': host((values, name) => ({ CpuShares: integer(name, last(values)) })),
  cpus: host((values, name) => ({ NanoCpus: Math.round(positive(name, last(values)) * 1e9) })),
  'cpuset-cpus': host((values) => ({ CpusetCpus: last(values) })),
  'cpuset-mems': host((values) => ({ CpusetMems: last(values) })),
  dns: host((values) => ({ Dns: [...values] })),
  'dns-option': host((values) => ({ DnsOptions: [...values] })),
  'dns-search': host((values) => ({ DnsSearch: [...values] })),
  'group-add': host((values) => ({ GroupAdd: [...values] })),
  ipc: host((values) => ({ IpcMode: last(values) })),
  label: (request, values) => (request.Labels = { ...request.Labels, ...pairs(values) }),
  'log-driver': host((values) => ({ LogConfig: { Type: last(values), Config: {} } })),
  'log-opt': (request, values) =>
    (request.HostConfig.LogConfig = {
      Type: request.HostConfig.LogConfig?.Type ?? 'json-file',
      Config: pairs(values),
    }),
  memory: host((values, name) => ({ Memory: bytes(name, last(values)) })),
  'memory-reservation': host((values, name) => ({ MemoryReservation: bytes(name, last(values)) })),
  'memory-swap': host((values, name) => ({ MemorySwap: bytes(name, last(values)) })),
  network: host((values) => ({ NetworkMode: last(values) })),
  'pids-limit': host((values, name) => ({ PidsLimit: integer(name, last(values)) })),
  'read-only': host((values) => ({ ReadonlyRootfs: last(values) !== 'false' })),
  runtime: host((values) => ({ Runtime: last(values) })),
  'security-opt': host((values) => ({ SecurityOpt: values })),
  'shm-size': host((values, name) => ({ ShmSize: bytes(name, last(values)) })),
  sysctl: host((values) => ({ Sysctls: pairs(values) })),
  tmpfs: host((values) => ({ Tmpfs: pairs(values, ':') })),
  ulimit: host((values) => ({ Ulimits: values.map(ulimit) })),
  user: (request, values) => (request.User = last(values)),
  userns: host((values) => ({ UsernsMode: last(values) })),
  volume: host((values) => ({ Binds: [...values] })),
};

/** @throws PluginError `ERR_CONFIG_INVALID` for text that is no such JSON, and for an option that is not known */
export function parseExtraArgs(json: string): ExtraArgs {
  const extra = parseJson(json);
  if (!isExtraArgs(extra))
    throw invalid(`'${json}' is no JSON object of lists of strings, such as {"dns":["10.0.0.2"]}`);
  const unknown = Object.keys(extra).filter((name) => !Object.hasOwn(OPTIONS, name));
  if (unknown.length > 0) {
    throw invalid(`no such option: ${unknown.join(', ')}; there are ${Object.keys(OPTIONS).join(', ')}`);
  }
  // Every value is tried once now, so that a bad one stops the start and not each container.
  applyExtraArgs({ HostConfig: {} }, extra);
  return extra;
}

/** Sets the options on a request; one that is set already is replaced, as in the stock factory. */
export function applyExtraArgs(request: ContainerRequest, extra: ExtraArgs): void {
  // In the table's order: a log driver resets the options that come after it.
  for (const [name, apply] of Object.entries(OPTIONS)) {
    const values = extra[name];
    if (values !== undefined) apply(request, values, name);
  }
}

/** `['a=1']` -> `{a: '1'}` */
export function pairs(values: readonly string[], separator = '='): Record<string, string> {
  return Object.fromEntries(
    values.map((value) => {
      const at = value.indexOf(separator);
      return at < 0 ? [value, ''] : [value.slice(0, at), value.slice(at + 1)];
    }),
  );
}

/** `nofile=1024:1024` as the API wants it. */
export function ulimit(value: string): { Name: string; Soft: number; Hard: number } {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(value);
  if (match === null) throw invalid(`ulimit '${value}' is not of the form nofile=1024:1024`);
  const soft = Number(match[2]);
  return { Name: match[1] ?? '', Soft: soft, Hard: match[3] === undefined ? soft : Number(match[3]) };
}

function host(change: (values: readonly string[], name: string) => HostConfig): Apply {
  return (request, values, name) => Object.assign(request.HostConfig, change(values, name));
}

function last(values: readonly string[]): string {
  return values.at(-1) ?? '';
}

function positive(name: string, value: string): number {
  const number = Number(value);
  if (!(number > 0)) throw invalid(`${name} '${value}' is no positive number`);
  return number;
}

function integer(name: string, value: string): number {
  if (!/^-?\d+$/.test(value)) throw invalid(`${name} '${value}' is no integer`);
  return Number(value);
}

function bytes(name: string, value: string): number {
  const size = parseBytes(value);
  if (size === undefined) throw invalid(`${name} '${value}' is no size such as 512m`);
  return size;
}

function isExtraArgs(value: unknown): value is ExtraArgs {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(
    (values) => Array.isArray(values) && values.length > 0 && values.every((item) => typeof item === 'string'),
  );
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function invalid(text: string): PluginError {
  return new PluginError('ERR_CONFIG_INVALID', `extra arguments of docker run: ${text}`);
}
