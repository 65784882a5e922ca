import { type Platform, startPlatform } from '@tetris/standalone';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModel } from '../models/built-model';
import { type Cleanups, privateFolder } from './cleanups';
import { Cloud } from './cloud';
import { compareSites, type Comparison, comparisonSteps } from './comparison';
import type { Progress } from './progress';
import type { DemoFunction, DemoSettings } from './settings';
import { SharedSite } from './shared-site';
import { StockSite } from './stock-site';

/** The code of every function of the demo: an ordinary action. */
const ACTION_PATH = join(__dirname, '../../actions/classify.js');

/** How many times {@link runDemo} reports progress. */
export function demoSteps(settings: DemoSettings): number {
  return 2 * settings.functions.length + 1 + comparisonSteps(settings);
}

/**
 * Starts the platform, puts the functions on it, and has them answer next to plain processes that run the same code.
 * What it starts and creates is registered with `cleanups`.
 */
export async function runDemo(settings: DemoSettings, progress: Progress, cleanups: Cleanups): Promise<Comparison> {
  const modelRoot = await privateFolder(tmpdir(), cleanups);
  const storePath = await privateFolder(settings.storeParent, cleanups);
  const modelPath = ({ name }: DemoFunction): string => join(modelRoot, `${name}.onnx`);
  for (const { definition } of settings.functions) {
    progress.step(`building the model ${definition.name}`);
    await buildModel(definition, modelRoot);
  }

  progress.step('starting the platform');
  const stock = new StockSite(ACTION_PATH, modelPath);
  cleanups.add(() => stock.stop());
  const starting = startPlatform({ memoryBytes: settings.memoryBytes, modelRoots: [modelRoot], storePath });
  cleanups.add(() => starting.then(stopPlatform, () => undefined));
  const platform = await starting;
  const cloud = new Cloud(platform.url, platform.auth);
  const shared = await SharedSite.create({ cloud, storePath, foreignPids: () => stock.pids });
  cleanups.add(() => shared.stop());

  const code = await readFile(ACTION_PATH, 'utf8');
  for (const wanted of settings.functions) {
    progress.step(`creating the function ${wanted.name}`);
    const params = { model: modelPath(wanted), shape: wanted.shape };
    await cloud.createAction(wanted.name, { code, memoryMb: wanted.memoryMb, params });
  }
  const operators = platform.nodes.map((node) => node.operator);
  const comparison = await compareSites({ shared, stock, storePath, operators }, settings, progress);
  for (const { name } of settings.functions) await cloud.deleteAction(name);
  return comparison;
}

const stopPlatform = (platform: Platform): Promise<void> => platform.stop();
