/** Measures one configuration in an instance of its own. */
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
    try {
      const action = { code: PROFILE_ACTION, shape: { workers: concurrency, threads }, value };
      const reply = (await runAction(container, action, options)) as unknown as ProfileReply;
      const steadyBytes = (await container.privateBytes()) ?? memory.peakBytes;
      const tensors = (await daemon?.instance(token))?.models.flatMap((loaded) => loaded.tensors) ?? [];
      const tensorBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
      const measurement = summarize(reply, point, steadyBytes, memory.peakBytes);
      return { measurement: { ...measurement, limitBytes: options.memoryBytes }, tensorBytes };
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
