import type { EntityChanges, Etcd } from '@tetris/common';
import type { Schedulers } from './schedulers';

/** What the front end stands on. Closed by the caller. */
export interface FpcAdapters {
  etcd: Etcd;
  schedulers: Schedulers;
  entityChanges: EntityChanges;
}

export interface FpcOptions {
  /** Invoker id: one of our own in the cluster. */
  invoker: number;
  /** Name of this load balancer; part of consumer groups and of its key. */
  owner: string;
  name: string;
  userMemoryBytes: number;
  /** Attracted by hints. */
  kinds: readonly string[];
  /** Served where they are ordered here, which is where stock invokers have no room, or there is none. */
  plainKinds: readonly string[];
  cluster: string;
  tags: readonly string[];
  leaseTtlMs: number;
  actionsMax: number;
  actionsIntervalMs: number;
  newQueueHints: number;
  pullsMax: number;
  pulledMax: number;
  capacity: number;
  idleMs: number;
  lostMs: number;
  surplusMs: number;
  elsewhereMs: number;
  surplusMax: number;
  messageBytesMax: number;
}
