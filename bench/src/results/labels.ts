import type { FleetName } from '../evaluation/memory-figures';

/** What readers are told of the fleets. */
export const FLEET_LABELS: Readonly<Record<FleetName, string>> = {
  tetris: 'nodejs:tetris',
  stock: 'plain processes',
  unpacked: 'mapped file, each packs its own',
  pageCache: 'mapped file, none packs',
  fork: 'forked after the load',
};
