/**
 * What a function costs in each configuration of an instance: made by the profiler, or learned from completions.
 * Pure; sizes in bytes, latencies in ms. Rules: Tetris (USENIX ATC '22) section on scaling, after INFless (ASPLOS '22).
 */

/** How an instance is run. */
export interface InstanceShape {
  /** CPU share in cores. */
  cpu: number;
  /** Worker threads, hence batches executed at once. */
  concurrency: number;
  /** Requests joined in one execution, at most. */
  batch: number;
}

/** One measured (or estimated) configuration. */
export interface ProfileRow extends InstanceShape {
  /** Execution time of one full batch while every worker is busy: the tail, which is to meet the objective. */
  latencyMs: number;
  /** The mean of it, which throughput follows from. @default latencyMs */
  meanMs?: number;
  /** Bytes of the instance that are its own; shared tensors are not in it, they count once a node. */
  privateBytes: number;
}

export const BYTES_PER_MB = 1024 ** 2;

/** Requests per second that an instance of this row can serve. */
export function serviceRate({ latencyMs, meanMs = latencyMs, concurrency, batch }: ProfileRow): number {
  return (1000 / meanMs) * concurrency * batch;
}

/**
 * Can a row answer within the objective? A batch may have to wait for the one before it, hence half of the objective
 * where it batches (the paper's constraint; of planning only).
 */
export function meetsSlo({ latencyMs, batch }: ProfileRow, sloMs: number): boolean {
  return latencyMs <= (batch === 1 ? sloMs : sloMs / 2);
}

/** Longest time a request may wait for batch mates. */
export function batchWaitMs({ latencyMs, batch }: ProfileRow, sloMs: number): number {
  return batch === 1 ? 0 : Math.max(0, sloMs - latencyMs);
}

/** What an instance of this row costs: MB of its own + alpha x cores. @param alpha MB that one core is worth */
export function cost({ privateBytes, cpu }: ProfileRow, alpha: number): number {
  return privateBytes / BYTES_PER_MB + alpha * cpu;
}

/** Requests per second per unit of cost; what the plan maximizes. */
export function efficiency(row: ProfileRow, alpha: number): number {
  return serviceRate(row) / cost(row, alpha);
}

export const sameShape = (one: InstanceShape, other: InstanceShape): boolean =>
  one.cpu === other.cpu && one.concurrency === other.concurrency && one.batch === other.batch;
