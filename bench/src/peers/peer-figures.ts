import { rounded } from '../measure/statistics';
import type { SuiteResult } from '../suite';
import { type ColdStart, largestError } from './cold-start';
import type { GridCell } from './memory-grid';
import type { RateRow } from './rate';

/** One piece of what was measured of a peer. */
export interface PeerRow extends Partial<ColdStart>, Partial<RateRow> {
  name: string;
  /** `memory`, `cold` or `rate`. */
  what: string;
  peer: string;
  kind?: string;
  cells?: GridCell[];
}

/** Memory that functions are counted in, and that all who are compared under load are given. */
export const CAP_MB = 1_500;

/** One master that forks for all functions: nobody is kept apart, so that it is compared by itself. */
const TOGETHER = 'forkTogether';

/** @param rows as far as they are measured */
export function peerFigures(rows: readonly PeerRow[]): SuiteResult {
  const peers = [...new Set(rows.map(({ peer }) => peer))];
  const summary = peers.map((peer) =>
    summaryOf(
      rows.filter((row) => row.peer === peer),
      peer,
    ),
  );
  const { [TOGETHER]: together, ...memory } = Object.fromEntries(
    peers.map((peer) => [peer, mbOf(rows, 'family', peer, 16, 2)]),
  );
  const strangers = Object.fromEntries(peers.map((peer) => [peer, mbOf(rows, 'strangers', peer, 16, 2)]));
  // At equal memory: who needs more than the others were given is not compared.
  const rates = Object.fromEntries(
    rows.flatMap(({ what, peer, rate, mb = NaN }) =>
      what === 'rate' && rate !== undefined && mb <= CAP_MB ? [[peer, rate]] : [],
    ),
  ) as Record<string, number>;
  const answers = rows.flatMap(({ logits }) => (logits === undefined ? [] : [logits]));
  return {
    ...ratioTo(memory, 'memoryRatio', 'memoryBestPeer', Math.min),
    ...(memory['tetris'] === undefined || together === undefined
      ? {}
      : { togetherMemoryRatio: rounded(memory['tetris'] / together) }),
    ...ratioTo(strangers, 'strangersMemoryRatio', 'strangersBestPeer', Math.min),
    ...ratioTo(rates, 'rateRatio', 'rateBestPeer', Math.max),
    ...(answers.length > 1 ? { relativeErrorMax: largestError(answers) } : {}),
    peers: summary,
    rows,
  };
}

/** Ours over the best of the others; nothing where one side is not measured. */
function ratioTo(
  values: Readonly<Record<string, number | undefined>>,
  ratio: string,
  best: string,
  choose: (...numbers: number[]) => number,
): SuiteResult {
  const { tetris, ...others } = values;
  const known = Object.entries(others).filter((entry): entry is [string, number] => entry[1] !== undefined);
  if (tetris === undefined || known.length === 0) return {};
  const chosen = choose(...known.map(([, value]) => value));
  return { [ratio]: rounded(tetris / chosen), [best]: known.find(([, value]) => value === chosen)?.[0] };
}

function summaryOf(rows: readonly PeerRow[], peer: string): SuiteResult {
  const mb = (kind: string, functions: number, instances: number): number | undefined =>
    mbOf(rows, kind, peer, functions, instances);
  const cold = rows.find(({ what }) => what === 'cold');
  const rate = rows.find(({ what }) => what === 'rate');
  return {
    peer,
    family16x2Mb: mb('family', 16, 2),
    strangers16x2Mb: mb('strangers', 16, 2),
    nextInstanceMb: growth(mb('family', 4, 1), mb('family', 4, 2), 4),
    nextFunctionMb: growth(mb('family', 4, 1), mb('family', 16, 1), 12),
    nextStrangerMb: growth(mb('strangers', 4, 1), mb('strangers', 16, 1), 12),
    functionsIn1500Mb: functionsUnder(mb('family', 4, 1), mb('family', 16, 1)),
    coldMs: cold?.coldMs,
    rate: rate?.rate,
    rateMb: rate?.mb,
  };
}

function mbOf(
  rows: readonly PeerRow[],
  kind: string,
  peer: string,
  functions: number,
  instances: number,
): number | undefined {
  return rows
    .filter((row) => row.peer === peer && row.kind === kind)
    .flatMap(({ cells = [] }) => cells)
    .find((cell) => cell.functions === functions && cell.instances === instances)?.mb;
}

const growth = (from: number | undefined, to: number | undefined, steps: number): number | undefined =>
  from === undefined || to === undefined ? undefined : rounded((to - from) / steps, 1);

/** With one instance each, by what the functions from the fifth to the sixteenth have cost. */
function functionsUnder(four: number | undefined, sixteen: number | undefined): number | undefined {
  if (four === undefined || sixteen === undefined) return undefined;
  return Math.max(0, Math.floor(4 + (12 * (CAP_MB - four)) / (sixteen - four)));
}
