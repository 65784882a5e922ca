import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cleanups, privateFolder } from '../demo/cleanups';
import { DaemonProcess } from '../sharing/daemon-process';
import { type Examination, examine, type ModelResult } from './examine';
import type { TestModel } from './models';
import { RuntimeSide } from './runtime-side';
import { StockSide } from './stock-side';
import type { Way } from './work';

export interface ConformanceOptions {
  models: readonly TestModel[];
  /** Folders that the daemon sees: the models are below them. */
  roots: readonly string[];
  ways: readonly Way[];
  /** Models that are examined side by side. */
  jobs: number;
  /** For one model, one way of giving it, on one side. */
  timeoutMs: number;
  /** Told after each model. */
  onModel?: (result: ModelResult) => void;
}

/** A tmpfs that every Linux has. */
const STORE_PARENT = '/dev/shm';

/**
 * Runs models through action instances beside a tensor daemon, and through plain onnxruntime. Each lane has an instance
 * and a plain process, and takes the next model when it has done with one.
 *
 * @returns results in the order of the models
 */
export async function runConformance(options: ConformanceOptions, cleanups: Cleanups): Promise<ModelResult[]> {
  const { models, jobs, onModel } = options;
  const folder = await privateFolder(STORE_PARENT, cleanups);
  const site = await openSite(options, folder, cleanups);
  const results: ModelResult[] = [];
  const waiting = models.entries();
  const lanes = Array.from({ length: jobs }, async (_, lane) => {
    const parts = openLane(options, site, join(folder, String(lane)), cleanups);
    for (const [index, model] of waiting) {
      const result = await examine(model, index, parts);
      results[index] = result;
      onModel?.(result);
    }
  });
  await Promise.all(lanes);
  return results;
}

/** What all lanes share. */
interface Site {
  daemon: DaemonProcess;
  modelRoots: readonly string[];
}

async function openSite({ roots, jobs }: ConformanceOptions, folder: string, cleanups: Cleanups): Promise<Site> {
  const modelRoots = await Promise.all(roots.map((root) => realpath(root)));
  const daemon = new DaemonProcess(folder, join(folder, 'store'), {
    TETRIS_DAEMON_MODEL_ROOTS: modelRoots.join(','),
    // No lane waits for the model of another.
    TETRIS_DAEMON_INGESTS_MAX: String(jobs),
    // What it refuses is told by the instance.
    TETRIS_DAEMON_LOG_LEVEL: 'error',
  });
  cleanups.add(() => daemon.stop());
  await daemon.ready();
  return { daemon, modelRoots };
}

function openLane(
  { ways, timeoutMs }: ConformanceOptions,
  site: Site,
  folder: string,
  cleanups: Cleanups,
): Examination {
  const actionPath = join(__dirname, '../../actions/conformance.js');
  const ours = new RuntimeSide({ ...site, folder, actionPath, timeoutMs });
  cleanups.add(() => ours.close());
  const stock = new StockSide(actionPath, timeoutMs);
  cleanups.add(() => stock.close());
  return { ours, stock, ways, copies: join(folder, 'copies') };
}
