import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cleanups, privateFolder } from '../demo/cleanups';
import { DaemonProcess } from '../sharing/daemon-process';
import { examine, type ModelResult } from './examine';
import type { TestModel } from './models';
import { RuntimeSide } from './runtime-side';
import { StockSide } from './stock-side';
import type { Way } from './work';

export interface ConformanceOptions {
  models: readonly TestModel[];
  /** Folders that the daemon sees: the models are below them. */
  roots: readonly string[];
  ways: readonly Way[];
  /** For one model, one way of giving it, on one side. */
  timeoutMs: number;
  /** Told after each model. */
  onModel?: (result: ModelResult) => void;
}

/** A tmpfs that every Linux has. */
const STORE_PARENT = '/dev/shm';

/** Runs models one after the other through an action instance beside a tensor daemon, and through plain onnxruntime. */
export async function runConformance(options: ConformanceOptions, cleanups: Cleanups): Promise<ModelResult[]> {
  const { models, ways, timeoutMs, onModel } = options;
  const folder = await privateFolder(STORE_PARENT, cleanups);
  const copies = join(folder, 'copies');
  await mkdir(copies);
  const modelRoots = await Promise.all(options.roots.map((root) => realpath(root)));
  const daemon = new DaemonProcess(folder, join(folder, 'store'), {
    TETRIS_DAEMON_MODEL_ROOTS: modelRoots.join(','),
    // What it refuses is told by the instance.
    TETRIS_DAEMON_LOG_LEVEL: 'error',
  });
  cleanups.add(() => daemon.stop());
  await daemon.ready();
  const actionPath = join(__dirname, '../../actions/conformance.js');
  const ours = new RuntimeSide({ daemon, folder, modelRoots, actionPath, timeoutMs });
  cleanups.add(() => ours.stop());
  const stock = new StockSide(actionPath, timeoutMs);
  cleanups.add(() => stock.stop());
  const results: ModelResult[] = [];
  for (const [index, model] of models.entries()) {
    const result = await examine(model, index, { ours, stock, ways, copies });
    results.push(result);
    onModel?.(result);
  }
  return results;
}
