/**
 * Memory of 1 to 30 instances of each model of the zoo, and of a mix of them, against what else there is: plain
 * processes, plain processes whose weights are pages of one file, and processes forked after the load.
 */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { tmpdir } from 'node:os';
import { createProgress } from '../demo/progress';
import { megabytes, rounded, sum } from '../measure/statistics';
import { isInstalled } from '../peers/python-server';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { ZOO } from '../zoo/zoo';
import { type WithFleet, withStock, withTetris } from './fleet';
import { withFork } from './fork-fleet';
import { grown, type GrowthBounds } from './growth';
import { type FleetGrowth, type FleetName, FLEETS, memoryFigures } from './memory-figures';
import { chosenRows, measureRows } from './rows';
import { nameOf, ownModel, type ServedModel, servedModel } from './served-model';

/** The mix: models of all kinds, in turns. */
const MIX = ['textcnn', 'dssm', 'mobilenet-v2', 'resnet50', 'bert', 'vgg16'];

const COUNTS = [1, 2, 5, 10, 20, 30];
/** So that there is one as many of each at every count. */
const MIX_COUNTS = [6, 12, 18, 24, 30];
const QUICK = { models: ['textcnn'], counts: [1, 2, 3] };

/** Time for one fleet to grow, s. */
const SECONDS = '60';
const SECONDS_QUICK = '8';

/** Every process packs its weights for itself, or none packs them and all read the pages of the file. */
const UNPACKED = { session: { disable_prepacking: '1' } };

async function run({ quick = false, only, room, seconds, model: own, ...options }: SuiteOptions): Promise<SuiteResult> {
  const zoo = quick ? QUICK.models : ['mix', ...Object.keys(ZOO)];
  const models = own === undefined ? zoo : [nameOf(own)];
  const bounds = (model: string): GrowthBounds => ({
    counts: quick ? QUICK.counts : model === 'mix' ? MIX_COUNTS : COUNTS,
    forMs: 1000 * Number(seconds ?? (quick ? SECONDS_QUICK : SECONDS)),
    ...(room === undefined ? {} : { roomBytes: room * 1e6 }),
  });
  const present = presentFleets(own);
  const all = models.flatMap((model) => present.map((fleet) => `${model}/${fleet}`));
  const names = chosenRows(all, only);
  const progress = createProgress(names.length, process.stderr);
  const measure = (name: string): Promise<FleetGrowth> => {
    progress.step(name);
    const [model = '', fleet = ''] = name.split('/');
    return growthOf(name, model, fleet as FleetName, bounds(model), own);
  };
  const result = await measureRows(names, options, measure, memoryFigures);
  progress.stop();
  return result;
}

/** Those for which everything is there. Somebody's own model is taken as it is, and not laid out anew for mapping. */
function presentFleets(own: string | undefined): readonly FleetName[] {
  const fleets = own === undefined ? FLEETS : FLEETS.filter((fleet) => !isMapped(fleet));
  if (isInstalled('fork')) return fleets;
  process.stderr.write('  left out: fork after load (sh bench/peers/install.sh fork)\n');
  return fleets.filter((fleet) => fleet !== 'fork');
}

const isMapped = (fleet: FleetName): boolean => fleet === 'unpacked' || fleet === 'pageCache';

async function growthOf(
  name: string,
  model: string,
  fleet: FleetName,
  bounds: GrowthBounds,
  own: string | undefined,
): Promise<FleetGrowth> {
  const folder = await temporaryFolder(tmpdir());
  try {
    const models: ServedModel[] = [];
    for (const each of model === 'mix' ? MIX : [model]) {
      models.push(await (own === undefined ? servedModel(each, folder, isMapped(fleet)) : ownModel(own, folder)));
    }
    return {
      name,
      model,
      fleet,
      models: models.length,
      modelMb: rounded(megabytes(sum(models.map(({ bytes }) => bytes))), 1),
      points: await grown(fleetOf(fleet, folder), models, bounds),
    };
  } finally {
    await removeFolder(folder);
  }
}

function fleetOf(name: FleetName, folder: string): WithFleet {
  if (name === 'tetris') return withTetris(folder);
  if (name === 'fork') return withFork;
  return withStock(name === 'pageCache' ? UNPACKED : undefined);
}

export const suite: Suite = { run };
