/** Profile tables as the paper's released code has them: a line is `model cpu concurrency batch latency_ms memory_MB`. */
import { BYTES_PER_MB, type ProfileRow } from '@tetris/invoker-extension';
import { Random } from '../models/random';

/** The rows of one model. */
export interface ProfileTable {
  model: string;
  rows: ProfileRow[];
}

/** @throws RangeError that names the line which is no row */
export function parseTables(text: string): ProfileTable[] {
  const tables = new Map<string, ProfileRow[]>();
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const [model = '', ...columns] = line.trim().split(/\s+/);
    const [cpu = NaN, concurrency = NaN, batch = NaN, latencyMs = NaN, memoryMb = NaN] = columns.map(Number);
    if (columns.length !== 5 || ![cpu, concurrency, batch, latencyMs, memoryMb].every((value) => value > 0)) {
      throw new RangeError(`line ${at + 1} is no 'model cpu concurrency batch latency_ms memory_MB': '${line.trim()}'`);
    }
    const row = { cpu, concurrency, batch, latencyMs, privateBytes: memoryMb * BYTES_PER_MB };
    tables.set(model, [...(tables.get(model) ?? []), row]);
  }
  return [...tables].map(([model, rows]) => ({ model, rows }));
}

const CPUS = [2, 3, 4, 5, 6, 7, 8];
const SIZES = [1, 2, 3, 4, 5, 6, 7, 8];

/**
 * A table in the ranges of the paper's: cores 2 to 8, concurrency and batch 1 to 8. The work of a batch grows less than
 * itself, cores help less and less, and every figure has noise.
 */
export function drawnTable(seed: number): ProfileTable {
  const random = new Random(seed);
  const between = (low: number, high: number): number => low + ((high - low) * random.below(1_000_000)) / 1_000_000;
  const base = Math.exp(between(Math.log(3), Math.log(300)));
  const [batching, cores, crowding] = [between(0.2, 1), between(0.2, 0.95), between(0, 0.9)];
  const [memory, growth] = [between(20, 400), between(0, 12)];
  const rows = CPUS.flatMap((cpu) =>
    SIZES.flatMap((concurrency) =>
      SIZES.map((batch) => ({
        cpu,
        concurrency,
        batch,
        latencyMs: (base * batch ** batching * concurrency ** crowding * between(0.9, 1.1)) / (cpu / 2) ** cores,
        privateBytes: (memory + growth * concurrency * Math.sqrt(batch)) * between(0.97, 1.03) * BYTES_PER_MB,
      })),
    ),
  );
  return { model: `drawn-${seed}`, rows };
}
