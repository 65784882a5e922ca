/** What the threads that bring files into the store are told, and what they tell. Plain, so that it can be posted. */
import type { Fault } from '../fault';
import type { PeerCredentials } from './peer-auth';

/** Where the bytes of a file are. */
export type Origin = { kind: 'file'; path: string } | { kind: 'peer'; peer: string; path: string };

/** One file to bring, whole or not at all. */
export interface FetchJob {
  origin: Origin;
  /** Where it goes: a path that is free. */
  to: string;
  bytes: number;
  sha256: string;
  /** Enters the digest before the bytes: see HashingWriter. */
  scope: string;
  sync: boolean;
}

/** How peers are spoken to. */
export interface PeerAccess {
  credentials: PeerCredentials;
  timeoutMs: number;
  bytesPerSecond: number;
  /** The clock of the bandwidth that all threads share. */
  clock: SharedArrayBuffer;
}

export interface FetchThreadData {
  access: PeerAccess | undefined;
  fault: Fault | undefined;
}

export type FetchMessage = { bytes: number } | { done: true } | { failed: string; corrupt: boolean };
