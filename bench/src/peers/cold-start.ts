/** From the wish for a function's first instance to its first answer. */
import { median, relativeError, rounded } from '../measure/statistics';
import type { ServedModel } from '../evaluation/served-model';
import type { Peer } from './peer';

const ROUNDS = 3;

export interface ColdStart {
  /** Start of all that the peer needs, to the first answer; median, ms. */
  coldMs: number;
  /** Least and most of the rounds, ms. */
  spreadMs: [number, number];
  /** Numbers of the answer, to compare with other peers'. */
  logits: number[];
}

/** Files are in the page cache, for all alike. */
export async function coldStart(peer: Peer, models: readonly ServedModel[], quick: boolean): Promise<ColdStart> {
  const times: number[] = [];
  let logits: number[] = [];
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
    const startMs = performance.now();
    const served = await peer.start({ models, instances: 1, batch: 1, waitMs: 0, sloMs: 0 });
    try {
      ({ logits } = await served.ask(0, { seed: 1 }));
      times.push(performance.now() - startMs);
    } finally {
      await served.stop();
    }
  }
  return {
    coldMs: rounded(median(times), 0),
    spreadMs: [rounded(Math.min(...times), 0), rounded(Math.max(...times), 0)],
    logits,
  };
}

/** The largest difference of answers from the first peer's. */
export function largestError(answers: readonly (readonly number[])[]): number {
  const [first = [], ...others] = answers;
  return Math.max(0, ...others.map((answer) => relativeError(answer, first)));
}
