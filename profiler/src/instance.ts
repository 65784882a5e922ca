/** A real instance for a measurement: started, loaded, asked and ended like any other. */
import { randomBytes } from 'node:crypto';
import { type DaemonOperator, PluginError, TETRIS_KIND } from '@tetris/common';
import type { Container, ContainerFactory } from '@tetris/invoker-extension';

/** Where instances live. */
export interface ProfileSite {
  /** Containers limited to that many cores. */
  factoryFor: (cpu: number) => ContainerFactory;
  /** Undefined: instances load privately, and their memory says so. */
  daemon: DaemonOperator | undefined;
}

export interface InstanceOptions {
  /** Asked for with the first instance: what is in the archive needs none. */
  site: () => Promise<ProfileSite>;
  /** Memory limit of the instance, bytes. */
  memoryBytes: number;
  /** Longest time for one configuration, ms. */
  timeoutMs: number;
  /** Ends the instance under way. */
  signal: AbortSignal;
}

/** The instance was killed because its memory limit did not hold it. */
export class MemoryExceeded extends PluginError {
  constructor() {
    super('ERR_CONTAINER_GONE', 'it exceeded its memory limit');
  }
}

/** What is done with an instance; its `token` names it at the daemon. */
export type InstanceWork<T> = (container: Container, token: string, site: ProfileSite) => Promise<T>;

/** Starts an instance with so many cores, lets `work` use it and ends it, whatever becomes of the work. */
export async function withInstance<T>(cpu: number, options: InstanceOptions, work: InstanceWork<T>): Promise<T> {
  const { memoryBytes, signal } = options;
  const site = await options.site();
  const { daemon, factoryFor } = site;
  const token = `profile-${randomBytes(16).toString('base64url')}`;
  const view = await daemon?.registerInstance(token, { namespace: 'whisk.system' });
  const container = await factoryFor(cpu).create({
    name: token,
    kind: TETRIS_KIND,
    memoryBytes,
    instance: token,
    ...(view === undefined ? {} : { viewPath: view.viewPath }),
    cpus: cpu,
    env: { __OW_ALLOW_CONCURRENT: 'true' },
  });
  const end = (): void => void container.destroy();
  signal.addEventListener('abort', end, { once: true });
  try {
    signal.throwIfAborted();
    return await work(container, token, site);
  } finally {
    signal.removeEventListener('abort', end);
    await container.destroy();
    await daemon?.releaseInstance(token);
  }
}

/** What the action needs to know of an instance's shape. */
export interface ActionShape {
  workers: number;
  threads: number;
}

/**
 * Initializes the instance with an action and runs it once.
 * @throws MemoryExceeded, PluginError with the reason why that does not work
 */
export async function runAction(
  container: Container,
  action: { code: string; shape: ActionShape; value: unknown },
  { timeoutMs }: Pick<InstanceOptions, 'timeoutMs'>,
): Promise<Record<string, unknown>> {
  const { code, shape, value } = action;
  const tetris = { ...shape, batch: 1 };
  await post(container, '/init', { name: 'profile', main: 'main', code, binary: false, tetris }, timeoutMs);
  return post(container, '/run', value, timeoutMs);
}

/** Latencies are a few hundred numbers; a reply beyond this is none of ours. */
const REPLY_BYTES_MAX = 1024 ** 2;

async function post(
  container: Container,
  path: '/init' | '/run',
  value: unknown,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const reply = await container.post(path, JSON.stringify({ value }), { timeoutMs, replyBytesMax: REPLY_BYTES_MAX });
  if (reply.outcome === 'timeout') throw new PluginError('ERR_DEADLINE', `it took longer than ${timeoutMs} ms`);
  if (reply.outcome === 'out-of-memory') throw new MemoryExceeded();
  if (reply.outcome !== 'answered') throw new PluginError('ERR_CONTAINER_GONE', 'the instance ended by itself');
  const json = JSON.parse(reply.body) as Record<string, unknown>;
  if (reply.status === 200 && !('error' in json)) return json;
  const { error } = json;
  const isError = typeof error === 'object' && error !== null && 'message' in error;
  throw new PluginError('ERR_MODEL_INVALID', isError ? String(error.message) : JSON.stringify(error));
}
