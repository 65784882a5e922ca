import { type Backoff, isPluginError } from '@tetris/common';

/** Between attempts to reach a broker that is away. */
export const SEND_BACKOFF: Backoff = { firstMs: 50, maxMs: 1_000 };

/** After a failed send: may the broker have the message all the same? */
export const perhapsSent = (error: unknown): boolean => isPluginError(error) && error.fields['written'] === 'unknown';

/**
 * After a failed send: may it be sent again, without the risk that it runs twice?
 *
 * @param runsOnce whether its reader takes an activation once, however often its message comes
 */
export const canSendAgain = (error: unknown, runsOnce: boolean): boolean =>
  isPluginError(error) && error.retriable && (runsOnce || !perhapsSent(error));
