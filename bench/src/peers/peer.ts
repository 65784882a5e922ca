import type { PeerEnvironment, PeerWork } from './python-server';
import type { RunReport } from '../runtime/instances';
import type { ServedModel } from '../evaluation/served-model';

/** How requests are joined. */
export interface Tuning {
  /** Requests in one execution at most; 1: none are joined. */
  batch: number;
  /** Longest wait for others, ms. */
  waitMs: number;
}

export const ALONE: Tuning = { batch: 1, waitMs: 0 };
export const JOINED: Tuning = { batch: 8, waitMs: 10 };

export interface PeerLoad extends Tuning {
  models: readonly ServedModel[];
  /** Instances of each function. */
  instances: number;
  /** Objective of every function, ms; 0 where nothing is timed. */
  sloMs: number;
}

/** Functions that a peer serves now. */
export interface Served {
  /** @throws Error where the function does not answer */
  ask(at: number, work: PeerWork): Promise<RunReport>;
  /** Of all that it needs: processes by proportional set size, front end included, and the store where it has one. */
  memoryBytes(): Promise<number>;
  stop(): Promise<void>;
}

/** A system that serves functions on one machine. */
export interface Peer {
  /** Undefined: it needs none. */
  environment?: PeerEnvironment;
  /** How requests may be joined; by the peer itself where there is but one way. */
  tunings: readonly Tuning[];
  /** Resolves when every function has answered. */
  start(load: PeerLoad): Promise<Served>;
}
