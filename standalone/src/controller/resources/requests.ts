import type { Identity, TransactionId } from '@tetris/common';

/** Who asks. */
export interface Asker {
  user: Identity;
  transid: TransactionId;
}

/** An entity by its path. */
export interface Target {
  namespace: string;
  name: string;
}

export const idOf = ({ namespace, name }: Target): string => `${namespace}/${name}`;
