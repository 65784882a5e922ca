import type { DaemonOperator } from '@tetris/common';
import type { Books } from './controller/balancer/sharding-balancer';
import type { Violation } from './controller/balancer/violation';

/** Everything has a default: `startPlatform()` alone is a working platform. */
export interface PlatformOptions {
  /** 0 takes a free port. @default 0 */
  port?: number;
  /** Nodes. @default 1 */
  invokers?: number;
  /** Of each invoker. @default 4 GiB */
  memoryBytes?: number;
  /** Keeps actions and activations. @default memory only */
  dataPath?: string;
  /** Tensor stores, one folder below it a node. @default a private folder on tmpfs, removed at stop */
  storePath?: string;
  /** Registered model folders. */
  modelRoots?: readonly string[];
  /** @default 'warn' */
  logLevel?: string;
  /**
   * Settings of any component by their environment names, such as `TETRIS_DAEMON_BUDGET_BYTES`; they win over the
   * environment of this process.
   */
  settings?: Readonly<Record<string, string>>;
}

/** A process that runs activations on a node. */
export interface InstanceProcess {
  pid: number;
  /** Its token at the daemon. */
  instance: string;
  /** `namespace/name` of the action it serves. */
  action: string;
}

/** One node: an invoker extension, a tensor daemon and their store. */
export interface PlatformNode {
  name: string;
  operator: DaemonOperator;
  storePath: string;
  /** The daemon's process; undefined while it is down. */
  readonly daemonPid: number | undefined;
  instances(): InstanceProcess[];
}

export interface Platform {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** The guest's key, `uuid:secret`. */
  auth: string;
  nodes: readonly PlatformNode[];
  /** The controller's accounts: permits outstanding and activations in flight. */
  books(): Books;
  /** What a stock controller would have suffered. Empty on a good day. */
  violations: readonly Violation[];
  /** Ends every process and removes every socket and temporary folder. Idempotent. */
  stop(): Promise<void>;
}
