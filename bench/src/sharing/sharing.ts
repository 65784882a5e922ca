/** Runtime sharing under an objective: the same load with one request an instance, batching, concurrency, and both. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanups, privateFolder } from '../demo/cleanups';
import { createProgress, type Progress } from '../demo/progress';
import { buildModel } from '../models/built-model';
import { MachineSpeed } from '../measure/machine-speed';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import type { Phase } from './arrivals';
import { type Calibration, calibrate } from './calibration';
import { CONFIGURATIONS } from './configurations';
import { type ConfigurationFigures, measureConfiguration } from './measurement';
import { figuresOf, type FunctionFigures, functionTable } from './report';
import { fullSettings, type LoadedFunction, quickSettings, type SharingSettings } from './settings';
import { loadTrace } from './trace';

/** Arrivals of the time that counts, at most at this rate. */
type PhasesAt = (rate: number) => Phase[];

async function measureFunction(
  loaded: LoadedFunction,
  settings: SharingSettings,
  phasesAt: PhasesAt,
  progress: Progress,
): Promise<FunctionFigures> {
  const cleanups = new Cleanups();
  try {
    const { name } = loaded.definition;
    const modelRoot = await privateFolder(tmpdir(), cleanups);
    // One store for all of the function's platforms, so that each finds the tensors there and none pays for making
    // them.
    const storePath = await privateFolder('/dev/shm', cleanups);
    const speed = await MachineSpeed.start();
    cleanups.add(() => speed.stop());
    const site = { loaded, modelRoot, storePath: join(storePath, 's'), speed };
    progress.step(`${name}: calibration`);
    await buildModel(loaded.definition, modelRoot);
    const calibration = await calibrate(site, settings);
    const phases = phasesAt(calibration.rate);
    const measured: [string, ConfigurationFigures][] = [];
    for (const configuration of CONFIGURATIONS) {
      progress.step(`${name}: ${configuration.name} at ${calibration.rate}/s, SLO ${calibration.sloMs} ms`);
      measured.push([
        configuration.name,
        await measureConfiguration(site, configuration, calibration, phases, settings),
      ]);
    }
    return {
      name,
      load: loadOf(calibration),
      configurations: Object.fromEntries(measured) as FunctionFigures['configurations'],
    };
  } finally {
    await cleanups.run();
  }
}

/** What is told of it: all but the answers. */
function loadOf({
  singleMs,
  instancePerSecond,
  singlePerSecond,
  sharedPerSecond,
  rate,
  overload,
  sloMs,
  productsPerSecond,
}: Calibration): FunctionFigures['load'] {
  return { singleMs, instancePerSecond, singlePerSecond, sharedPerSecond, rate, overload, sloMs, productsPerSecond };
}

async function run({ quick = false, trace }: SuiteOptions): Promise<SuiteResult> {
  const settings = quick ? quickSettings() : fullSettings();
  const phasesAt = await loadTrace(trace, settings.measuredMs);
  const progress = createProgress(settings.functions.length * (1 + CONFIGURATIONS.length), process.stderr);
  const functions: FunctionFigures[] = [];
  for (const loaded of settings.functions) functions.push(await measureFunction(loaded, settings, phasesAt, progress));
  progress.stop();
  process.stderr.write(`${functionTable(functions)}\n`);
  // The other figures of runtime sharing, so that one file holds them all.
  const runtime = quick ? {} : await (await import('../runtime/runtime.js')).suite.run({});
  return { ...figuresOf(functions), ...runtime, quick, trace: trace ?? 'steady', functions };
}

export const suite: Suite = { run };
