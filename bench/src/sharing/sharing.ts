/** Sharing alone: tensor daemon and action runtime against plain processes, without the platform in between. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanups, temporaryFolder } from '../demo/cleanups';
import { compareSites, comparisonSteps } from '../demo/comparison';
import { figuresOf, functionFigures } from '../demo/figures';
import { createProgress } from '../demo/progress';
import { fullSettings } from '../demo/settings';
import { StockSite } from '../demo/stock-site';
import { buildModel } from '../models/built-model';
import type { Suite, SuiteResult } from '../suites';
import { DaemonProcess } from './daemon-process';
import { NodeSite } from './node-site';

const ACTION_PATH = join(__dirname, '../../actions/classify.js');

async function measure(cleanups: Cleanups): Promise<SuiteResult> {
  const settings = fullSettings();
  const progress = createProgress(comparisonSteps(settings), process.stderr);
  const folder = await temporaryFolder(tmpdir(), cleanups);
  const storePath = await temporaryFolder('/dev/shm', cleanups);
  for (const { definition } of settings.functions) await buildModel(definition, folder);

  const stock = new StockSite(ACTION_PATH, ({ name }) => join(folder, `${name}.onnx`));
  cleanups.add(() => stock.stop());
  const daemon = new DaemonProcess(folder, storePath);
  cleanups.add(() => daemon.stop());
  await daemon.ready();
  const foreignPids = (): number[] => stock.pids;
  const shared = new NodeSite({ daemon, storePath, folder, actionPath: ACTION_PATH, foreignPids });
  cleanups.add(() => shared.stop());
  await shared.open();
  const sites = { shared, stock, storePath, operators: [daemon.operator] };
  const { steps, latencies, store } = await compareSites(sites, settings, progress);
  progress.stop();
  return { ...figuresOf(steps, latencies), functions: functionFigures(steps), store };
}

async function run(): Promise<SuiteResult> {
  const cleanups = new Cleanups();
  try {
    return await measure(cleanups);
  } finally {
    await cleanups.run();
  }
}

export const suite: Suite = { run };
