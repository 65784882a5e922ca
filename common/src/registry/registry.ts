/**
 * What the nodes tell the load balancer, and what it keeps for itself across a restart. Adapters: {@link
 * MemoryRegistry}, Redis behind `@tetris/common/redis`. Every entry has a TTL; nothing grows without bound.
 */

import type { NodeReport } from './node-report';

/** A tensor's identity and its bytes in the store. */
export interface TensorRef {
  /** SHA-256 of the tensor file's content, lowercase hex. */
  sha256: string;
  bytes: number;
}

/**
 * A change of one node's tensor set; `sequence` counts up by one, so that a gap is noticed and answered by a snapshot.
 */
export interface InventoryDelta {
  sequence: number;
  added: TensorRef[];
  removed: string[];
}

export interface InventorySnapshot {
  sequence: number;
  tensors: TensorRef[];
}

/** The living instances of one action and namespace on a node. */
export interface WarmInstance {
  /** `guest/vision/classify@5-2b9f...`, see {@link actionKey}. */
  action: string;
  /** The invoking namespace: instances are never shared between two. */
  namespace: string;
  /** Activations that the instances of the group hold at once, those on their way up included. */
  capacity: number;
  /**
   * Activations that they have. What was handed on and not read yet is not among them: hence capacity, and not what is
   * free.
   */
  inUse: number;
  /**
   * Of an action with an objective, once measured: time of a slow execution with the way there and back, ms,
   * activations a second that the instances answer while they are busy, and mean time of that way, ms.
   */
  tailMs?: number;
  perSecond?: number;
  wayMs?: number;
}

/** An invoker extension's state, published with a TTL. */
export interface InvokerStatus {
  /** N of `Q+invokerN`. */
  instance: number;
  /** Name of its node: instances on one node share a store. */
  node: string;
  /** Epoch ms of the sample. */
  atMs: number;
  /** Bytes for instances and store, and bytes in use (shared tensors once). */
  memoryBytes: number;
  memoryUsedBytes: number;
  /** The part of `memoryUsedBytes` that is free once idle instances have ended. @default 0 */
  memoryReclaimableBytes?: number;
  /**
   * The part of `memoryReclaimableBytes` that is tensors: who needs them as well has them not free but there. @default
   * 0
   */
  memoryReclaimableTensorBytes?: number;
  /** Activations running and waiting. */
  running: number;
  waiting: number;
  /**
   * Start (epoch ms, of the transaction) of the oldest activation that has been taken from the topic and is not
   * finished; null where there is none. Absent: not known.
   */
  oldestStartMs?: number | null;
  /**
   * How many messages of the invoker's topic `warm`, `running` and `waiting` know of: what was sent at this position or
   * later is not among them. Absent: not known.
   */
  readUpTo?: number;
  /** An activation whose message comes twice runs once, so that a message may be sent again. @default false */
  runsOnce?: boolean;
  warm: WarmInstance[];
  /** Finishing its work and taking no more. */
  draining: boolean;
  /** URL at which daemons of other nodes fetch tensors from this node's. Absent: they cannot. */
  peer?: string;
  /** For people; comes with some statuses only, the last one holds. */
  report?: NodeReport;
}

/** The tensors an action needs, known once any node has loaded it. */
export interface ActionManifest {
  tensors: TensorRef[];
  /** Bytes of an instance that are its own, measured. */
  privateBytes: number;
  /** SHA-256 of each model that it loads, as they came. Absent: not known. */
  models?: string[];
}

/** An activation that the load balancer has handed on and that is not completed, or that waits in it. */
export interface InFlight {
  activationId: string;
  /** Index of the virtual invoker it came in by; acks must name it. */
  virtualInvoker: number;
  /** N of the `Q+invokerN` it went to; -1 where it waits for one. */
  invoker: number;
  /** Of one that waits: what an invoker will get, so that whoever comes after a crash can hand it on. */
  message?: string;
  controller: string;
  transid: readonly unknown[];
  blocking: boolean;
  /** Epoch ms at which the controller has given up on it. */
  deadlineMs: number;
  /** What an error record must name. */
  namespace: string;
  action: string;
  subject?: string;
  version?: string;
}

export type Unsubscribe = () => void;

export interface RegistryEvents {
  /** A node's whole tensor set, after a (re)connection or a gap. */
  inventory?: (node: string, snapshot: InventorySnapshot) => void;
  inventoryDelta?: (node: string, delta: InventoryDelta) => void;
  status?: (status: InvokerStatus) => void;
  /** The manifest of an action became known or changed. */
  manifest?: (action: string, manifest: ActionManifest) => void;
}

export interface Registry {
  publishInventory(node: string, snapshot: InventorySnapshot): Promise<void>;
  publishInventoryDelta(node: string, delta: InventoryDelta): Promise<void>;
  publishStatus(status: InvokerStatus): Promise<void>;
  putManifest(action: string, manifest: ActionManifest): Promise<void>;
  getManifest(action: string): Promise<ActionManifest | undefined>;
  /** Calls back with the present state first, then with every change. Misses nothing across a reconnection. */
  watch(events: RegistryEvents): Promise<Unsubscribe>;

  /** In-flight ids of one load balancer, for recovery after its crash. Written before the activation is handed on. */
  putInFlight(owner: string, entry: InFlight): Promise<void>;
  deleteInFlight(owner: string, activationId: string): Promise<void>;
  listInFlight(owner: string): Promise<InFlight[]>;
  close(): Promise<void>;
}

/** The key under which an action's manifest and warm instances are known. */
export function actionKey(fullyQualifiedName: string, revision: string | null): string {
  return `${fullyQualifiedName}@${revision ?? 'none'}`;
}
