import { errorMessage, isPluginError } from '@tetris/common';
import { IntegrityError } from './receive';
import type { Offer } from './offer';

/** What became of an attempt to take what was offered. */
export interface Attempt<O> {
  offer: O;
  outcome: 'restored' | 'refuted' | 'failed';
  ms: number;
  reason?: string;
}

/**
 * Takes what is wanted from the first offer that keeps its word.
 *
 * @param told of each attempt
 * @returns undefined where there is none
 * @throws PluginError where it is this side that has no room, or the signal's reason
 */
export async function takeFirst<O extends Offer, T>(
  offers: AsyncIterable<O>,
  take: (offer: O) => Promise<T>,
  signal: AbortSignal,
  told: (attempt: Attempt<O>) => void,
): Promise<T | undefined> {
  for await (const offer of offers) {
    const startMs = performance.now();
    const tell = (outcome: Attempt<O>['outcome'], reason?: string): void => {
      told({ offer, outcome, ms: Math.round(performance.now() - startMs), ...(reason !== undefined && { reason }) });
    };
    try {
      const taken = await take(offer);
      tell('restored');
      return taken;
    } catch (error) {
      signal.throwIfAborted();
      if (isPluginError(error, 'ERR_STORE_FULL') || isPluginError(error, 'ERR_UPLOAD_LIMIT')) throw error;
      tell(error instanceof IntegrityError ? 'refuted' : 'failed', errorMessage(error));
    } finally {
      offer.close();
    }
  }
  return undefined;
}
