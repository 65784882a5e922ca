import { join } from 'node:path';
import type { Cleanups } from '../demo/cleanups';
import { StockProcess } from '../measure/stock-process';
import type { Instances } from './instances';

/** The action on both sides of every comparison. */
export const ACTION_PATH = join(__dirname, '../../actions/classify.js');

/** What a measurement needs; everything it starts is ended by `cleanups`. */
export interface Bench {
  instances: Instances;
  folder: string;
  cleanups: Cleanups;
}

/** A plain process with the action in it. */
export function startStock({ cleanups }: Bench): StockProcess {
  const stock = new StockProcess(ACTION_PATH);
  cleanups.add(() => stock.stop());
  return stock;
}
