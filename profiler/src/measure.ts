/** Measures one configuration in an instance of its own. */
import { cpus } from 'node:os';
import type { Container, Measurement, ProfilePoint } from '@tetris/invoker-extension';
import { type InstanceOptions, runAction, withInstance } from './instance';
import { type InputOptions, PROFILE_ACTION, type ProfileReply, type ProfileRequest } from './profile-action';

export interface MeasureOptions extends InstanceOptions {
  inputs: InputOptions;
  /** Batches timed by each worker. */
  rounds: number;
  /** Pause between samples of memory, ms. */
  sampleMs: number;
}

/**
 * @param model path as an instance sees it
 * @returns the measurement and the bytes of the model's tensors in the store
 * @throws MemoryExceeded where the instance's limit does not hold it, PluginError with the reason why it cannot run
 */
export function measure(
  point: ProfilePoint,
  model: string,
  options: MeasureOptions,
): Promise<{ measurement: Measurement; tensorBytes: number }> {
  const { variant, batch, concurrency, threads } = point;
  const value: ProfileRequest = {
    ...options.inputs,
    model,
    graphOptimizationLevel: variant === 'plain' ? 'disabled' : 'all',
    batch,
    concurrency,
    rounds: options.rounds,
  };
  return withInstance(point.cpu, options, async (container, token, { daemon }) => {
    const memory = new MemorySampler(container, options.sampleMs);
    const others = new OtherWork(Math.min(point.cpu, concurrency * threads));
    try {
      const action = { code: PROFILE_ACTION, shape: { workers: concurrency, threads }, value };
      const reply = (await runAction(container, action, options)) as unknown as ProfileReply;
      const steadyBytes = (await container.privateBytes()) ?? memory.peakBytes;
      const tensors = (await daemon?.instance(token))?.models.flatMap((loaded) => loaded.tensors) ?? [];
      const tensorBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
      const measurement = summarize(reply, point, steadyBytes, memory.peakBytes);
      const told = { limitBytes: options.memoryBytes, atMs: Date.now(), othersCores: others.cores() };
      return { measurement: { ...measurement, ...told }, tensorBytes };
    } finally {
      memory.stop();
    }
  });
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

/** What else the machine did while an instance was measured. */
class OtherWork {
  readonly #ownCores: number;
  readonly #since = process.hrtime.bigint();
  readonly #before = busyMs();

  /** @param ownCores that the instance may keep busy: what is beyond is certainly somebody else's */
  constructor(ownCores: number) {
    this.#ownCores = ownCores;
  }

  cores(): number {
    const tookMs = Number(process.hrtime.bigint() - this.#since) / 1e6;
    return Math.max(0, (busyMs() - this.#before) / Math.max(1, tookMs) - this.#ownCores);
  }
}

/** Time that the machine's cores have been busy, added up, ms. */
const busyMs = (): number =>
  cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);

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
