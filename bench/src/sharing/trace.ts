import { readFile } from 'node:fs/promises';
import { parseTrace, type Phase, SYNTHETIC_TRACES, tracePhases } from './arrivals';

const SEED = 7;

/**
 * How a peak rate is spread over a time: steadily, as a synthetic trace (`bursty`, `periodic`) or as the file of that
 * name has it.
 */
export async function loadTrace(trace: string | undefined, durationMs: number): Promise<(rate: number) => Phase[]> {
  if (trace === undefined) return (rate) => [{ durationMs, rate }];
  const rates = isSynthetic(trace) ? SYNTHETIC_TRACES[trace](SEED) : parseTrace(await readFile(trace, 'utf8'));
  return (rate) => tracePhases(rates, rate, durationMs);
}

const isSynthetic = (name: string): name is keyof typeof SYNTHETIC_TRACES => Object.hasOwn(SYNTHETIC_TRACES, name);
