/** The same functions in each of several systems, side by side: memory, cold start, and the largest rate in time. */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { freemem, tmpdir } from 'node:os';
import { createProgress } from '../demo/progress';
import { type ServedModel, served } from '../evaluation/served-model';
import { chosenRows, measureRows } from '../evaluation/rows';
import { AT_REST_MS } from '../measure/process-memory';
import type { ModelDefinition } from '../models/graph-builder';
import { transformer } from '../models/transformer';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { fineTuned } from '../zoo/families';
import { coldStart } from './cold-start';
import { type GridBounds, memoryRow } from './memory-grid';
import type { Peer } from './peer';
import { CAP_MB, type PeerRow, peerFigures } from './peer-figures';
import { platformPeer } from './platform-peer';
import { isInstalled } from './python-server';
import { PYTHON_PEERS } from './python-peers';
import { rateWithin } from './rate';

export const PEERS: Readonly<Record<string, Peer>> = {
  tetris: platformPeer('nodejs:tetris'),
  stock: platformPeer('nodejs:20'),
  ...PYTHON_PEERS,
};

/** Functions that are one encoder with its last two layers trained again, or models that share nothing. */
const KINDS = ['family', 'strangers'] as const;
const COUNTS = [16, 4, 1];
const INSTANCES = [1, 2, 4];
/** Functions under load. */
const RATE_FUNCTIONS = 4;

const QUICK_PEERS = ['tetris', 'fork'];

const SECONDS = '120';
const QUICK_SETTLE_MS = 500;
const ROOM_SHARE = 0.5;

/** What is measured of a peer: a row of its own each, so that an interrupted run goes on where it was. */
function rowNames(peers: readonly string[], quick: boolean): string[] {
  const kinds = quick ? KINDS.slice(0, 1) : KINDS;
  const counts = quick ? [1] : COUNTS;
  const grid = kinds.flatMap((kind) =>
    counts.flatMap((count) => peers.map((peer) => `memory/${kind}/${count}/${peer}`)),
  );
  return [...grid, ...peers.map((peer) => `cold/${peer}`), ...peers.map((peer) => `rate/${peer}`)];
}

async function run({ quick = false, only, room, seconds = SECONDS, ...options }: SuiteOptions): Promise<SuiteResult> {
  const peers = present(quick ? QUICK_PEERS : Object.keys(PEERS));
  const names = chosenRows(rowNames(peers, quick), only);
  const progress = createProgress(names.length, process.stderr);
  const folder = await temporaryFolder(tmpdir());
  const bounds = {
    roomBytes: room === undefined ? ROOM_SHARE * freemem() : 1e6 * room,
    forMs: 1_000 * Number(seconds),
    settleMs: quick ? QUICK_SETTLE_MS : AT_REST_MS,
  };
  const measure = (name: string): Promise<PeerRow> => {
    progress.step(name);
    return measured(name, { folder, quick, bounds });
  };
  try {
    return await measureRows(names, options, measure, peerFigures);
  } finally {
    progress.stop();
    await removeFolder(folder);
  }
}

function present(names: readonly string[]): string[] {
  return names.filter((name) => {
    const environment = PEERS[name]?.environment;
    if (environment === undefined || isInstalled(environment)) return true;
    process.stderr.write(`  left out: ${name} (sh bench/peers/install.sh)\n`);
    return false;
  });
}

interface Measuring {
  folder: string;
  quick: boolean;
  bounds: GridBounds;
}

async function measured(name: string, { folder, quick, bounds }: Measuring): Promise<PeerRow> {
  const [what = '', ...parts] = name.split('/');
  const peerName = parts.at(-1) ?? '';
  const peer = PEERS[peerName];
  if (peer === undefined)
    throw new RangeError(`no peer named '${peerName}'; there are: ${Object.keys(PEERS).join(', ')}`);
  const row = { name, what, peer: peerName };
  if (what === 'memory') {
    const [kind = '', count = ''] = parts;
    const models = await modelsOf(kind, Number(count), folder, quick);
    const cells = await memoryRow(peer, models, quick ? INSTANCES.slice(0, 2) : INSTANCES, bounds);
    return { ...row, kind, cells };
  }
  const models = await modelsOf('family', quick ? 1 : RATE_FUNCTIONS, folder, quick);
  if (what === 'cold') return { ...row, ...(await coldStart(peer, models.slice(0, 1), quick)) };
  return { ...row, ...(await rateWithin(peer, models, { roomMb: CAP_MB, quick })) };
}

async function modelsOf(kind: string, count: number, folder: string, quick: boolean): Promise<ServedModel[]> {
  const models: ServedModel[] = [];
  for (let at = 0; at < count; at += 1) models.push(await served(definitionOf(kind, at, quick), folder));
  return models;
}

/** Of DistilBERT's size, 170 MB, without its vocabulary; 32 tokens. */
function definitionOf(kind: string, at: number, quick: boolean): ModelDefinition {
  const size = quick ? { layers: 2, hidden: 128, heads: 4 } : { layers: 6 };
  const origin = transformer('encoder', { ...size, sequence: 32 });
  return fineTuned(origin, { layers: kind === 'family' ? 2 : Infinity, seed: at + 1 });
}

export const suite: Suite = { run };
