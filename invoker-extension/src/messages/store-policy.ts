import { type Activation, type ActivationMessage, hasExtraLogging, STATUS } from '@tetris/common';

/** Which records are stored. Source: `whisk.activation.store-blocking-result-level` and its non-blocking twin. */
export const STORE_LEVELS = ['always', 'failures', 'failures-not-application-errors'] as const;
export type StoreLevel = (typeof STORE_LEVELS)[number];

export interface StoreLevels {
  blocking: StoreLevel;
  nonBlocking: StoreLevel;
}

/** Is this record to be stored? Extra logging stores always; a namespace may have storing switched off. */
export function isStored(message: ActivationMessage, activation: Activation, levels: StoreLevels): boolean {
  if (hasExtraLogging(message.transid)) return true;
  if (message.user.limits.storeActivations === false) return false;
  const { statusCode } = activation.response;
  switch (message.blocking ? levels.blocking : levels.nonBlocking) {
    case 'always':
      return true;
    case 'failures':
      return statusCode !== STATUS.success;
    case 'failures-not-application-errors':
      return statusCode !== STATUS.success && statusCode !== STATUS.applicationError;
  }
}
