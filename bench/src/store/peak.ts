/** How much memory an ingest takes at its peak, beside what onnxruntime's optimizer takes by itself. */
import { type GraphOptions, GraphOptionsSchema } from '@tetris/common';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Cleanups, privateFolder } from '../demo/cleanups';
import { folderBytes } from '../measure/folder-bytes';
import { processTree } from '../measure/process-memory';
import { megabytes, rounded } from '../measure/statistics';
import type { BuiltModel } from '../models/built-model';
import type { SuiteResult } from '../suite';
import { largeModel } from './ingest';
import { releaseAll, requestFor, StoreSite, timedLease } from './site';

const LOOK_INTERVAL_MS = 10;

/** The daemon's own bound: smaller tensors stay in the graph. */
const TENSOR_BYTES_MIN = 4096;

/** Private memory of processes and bytes of files, at the peak of both together, less what was there before. */
class PeakMemory {
  readonly #pid: number;
  readonly #folder: string;
  readonly #timer: NodeJS.Timeout;
  #peak = 0;

  /** @param folder on a tmpfs, whose files are memory too */
  constructor(pid: number, folder: string) {
    this.#pid = pid;
    this.#folder = folder;
    this.#timer = setInterval(() => void this.#look(), LOOK_INTERVAL_MS);
  }

  async #look(): Promise<void> {
    // Files first: what moves from memory into files meanwhile is counted once at most.
    const files = await folderBytes(this.#folder).catch(() => 0);
    const memory = processTree(this.#pid).reduce((sum, pid) => sum + privateBytes(pid), 0);
    this.#peak = Math.max(this.#peak, files + memory);
  }

  end(): number {
    clearInterval(this.#timer);
    return this.#peak;
  }
}

/** The peak of an ingest beyond that of the optimizer alone, as a share of the model's bytes. */
export async function measurePeak(cleanups: Cleanups): Promise<SuiteResult> {
  const site = await StoreSite.open(cleanups);
  const model = await largeModel(site);
  const optimizerPeak = await peakOfOptimizer(model, await privateFolder('/dev/shm', cleanups));
  const daemon = await site.start();
  const restBytes = privateBytes(daemon.pid);
  const peak = new PeakMemory(daemon.pid, site.storePath);
  const { lease } = await timedLease(daemon, requestFor(model));
  const ingestPeak = peak.end() - restBytes;
  await releaseAll(daemon, [lease]);
  await daemon.stop();
  return {
    ingestPeakMb: rounded(megabytes(ingestPeak), 0),
    optimizerPeakMb: rounded(megabytes(optimizerPeak), 0),
    ingestPeakRatio: rounded(Math.max(0, ingestPeak - optimizerPeak) / model.bytes, 3),
  };
}

/** The optimizer as the daemon runs it, writing to the same medium, and nothing around it. */
async function peakOfOptimizer(model: BuiltModel, outputFolder: string): Promise<number> {
  const graph: GraphOptions = GraphOptionsSchema.parse({});
  const job = { modelPath: model.path, outputFolder, graph, tensorBytesMin: TENSOR_BYTES_MIN, run: true };
  const program = join(dirname(require.resolve('@tetris/tensor-daemon')), 'ingest/optimize-child.js');
  const child = spawn(process.execPath, [program, JSON.stringify(job)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const peak = new PeakMemory(child.pid ?? 0, outputFolder);
  const [status] = await ended;
  if (status !== 0) throw new Error(`the optimizer ended with status ${status}`);
  return peak.end();
}

/** Private memory of a process; 0 where it has ended. */
function privateBytes(pid: number): number {
  try {
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
