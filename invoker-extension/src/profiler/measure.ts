/** Measures one configuration in a real instance: started, loaded, driven and ended like any other. */
import { randomBytes } from 'node:crypto';
import { type DaemonOperator, PluginError } from '@tetris/common';
import type { Container, ContainerFactory } from '../containers/container';
import { PROFILE_ACTION, type ProfileReply, type ProfileRequest } from './profile-action';
import type { Measurement, ProfilePoint } from './result';

export interface MeasureOptions {
  /** Containers limited to that many cores. */
  factoryFor: (cpu: number) => ContainerFactory;
  /** Undefined: instances load privately, and their memory says so. */
  daemon: DaemonOperator | undefined;
  /** Path of the model as an instance sees it. */
  model: string;
  dims: Readonly<Record<string, number>>;
  /** Batches timed by each worker. */
  rounds: number;
  /** Memory limit of the instance, bytes. */
  memoryBytes: number;
  /** Longest time for one configuration, ms. */
  timeoutMs: number;
  /** Pause between samples of memory, ms. */
  sampleMs: number;
}

/**
 * @returns the measurement and the bytes of the model's tensors in the store
 * @throws PluginError with the reason why this configuration cannot run
 */
export async function measure(
  point: ProfilePoint,
  options: MeasureOptions,
): Promise<{ measurement: Measurement; tensorBytes: number }> {
  const { daemon, factoryFor, memoryBytes } = options;
  const instance = `profile-${randomBytes(16).toString('base64url')}`;
  const view = await daemon?.registerInstance(instance, { namespace: 'whisk.system' });
  const container = await factoryFor(point.cpu).create({
    name: instance,
    kind: 'nodejs:tetris',
    memoryBytes,
    instance,
    ...(view === undefined ? {} : { viewPath: view.viewPath }),
    cpus: point.cpu,
    env: { __OW_ALLOW_CONCURRENT: 'true' },
  });
  const memory = new MemorySampler(container, options.sampleMs);
  try {
    const reply = await drive(container, point, options);
    const steadyBytes = (await container.privateBytes()) ?? memory.peakBytes;
    const tensors = (await daemon?.instance(instance))?.models.flatMap((model) => model.tensors) ?? [];
    const tensorBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    return { measurement: summarize(reply, point, steadyBytes, memory.peakBytes), tensorBytes };
  } finally {
    memory.stop();
    await container.destroy();
    await daemon?.releaseInstance(instance);
  }
}

async function drive(container: Container, point: ProfilePoint, options: MeasureOptions): Promise<ProfileReply> {
  const tetris = { workers: point.concurrency, threads: point.threads, batch: 1 };
  await post(
    container,
    '/init',
    { value: { name: 'profile', main: 'main', code: PROFILE_ACTION, binary: false, tetris } },
    options,
  );
  const request: ProfileRequest = {
    model: options.model,
    graphOptimizationLevel: point.variant === 'plain' ? 'disabled' : 'all',
    batch: point.batch,
    concurrency: point.concurrency,
    rounds: options.rounds,
    dims: { ...options.dims },
  };
  return (await post(container, '/run', { value: request }, options)) as unknown as ProfileReply;
}

/** Latencies are a few hundred numbers; a reply beyond this is none of ours. */
const REPLY_BYTES_MAX = 1024 ** 2;

async function post(
  container: Container,
  path: '/init' | '/run',
  body: unknown,
  { timeoutMs }: MeasureOptions,
): Promise<Record<string, unknown>> {
  const reply = await container.post(path, JSON.stringify(body), { timeoutMs, replyBytesMax: REPLY_BYTES_MAX });
  if (reply.outcome !== 'answered') throw new PluginError('ERR_CONTAINER_GONE', `the instance ended: ${reply.outcome}`);
  const json = JSON.parse(reply.body) as Record<string, unknown>;
  if (reply.status !== 200 || 'error' in json) {
    const { error } = json;
    const text =
      typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : JSON.stringify(error);
    throw new PluginError('ERR_MODEL_INVALID', text);
  }
  return json;
}

function summarize(reply: ProfileReply, { batch }: ProfilePoint, steadyBytes: number, peakBytes: number): Measurement {
  const sorted = [...reply.latenciesMs].sort((one, other) => one - other);
  const quantile = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
    throughput: (1000 * batch * sorted.length) / reply.totalMs,
    loadMs: reply.loadMs,
    peakBytes: Math.max(peakBytes, steadyBytes),
    steadyBytes,
    samples: sorted.length,
  };
}

/** The highest private memory seen while an instance works. */
class MemorySampler {
  peakBytes = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(container: Container, sampleMs: number) {
    this.#timer = setInterval(() => {
      void container.privateBytes().then((bytes) => (this.peakBytes = Math.max(this.peakBytes, bytes ?? 0)));
    }, sampleMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
