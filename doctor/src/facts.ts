/** What the checks look at, gathered beforehand. Undefined: nobody said where to look. */
import type { DaemonHealth } from '@tetris/common';
import type { InvokerConfig } from '@tetris/invoker-extension';
import type { BalancerConfig } from '@tetris/load-balancer';
import type { DaemonConfig } from '@tetris/tensor-daemon';
import type { Answer } from './finding';

/** Environment of a process. */
export type Environment = Readonly<Record<string, string>>;

export interface Mount {
  path: string;
  fileSystem: string;
  /** Size of it, bytes. */
  bytes: number;
}

/** What models in the store are made for. */
export interface PlatformTold {
  onnxruntime: string;
  /** As the daemon's `build_info` has it. */
  cpu: string;
}

/** What a function instance sees. */
export interface ContainerView extends PlatformTold {
  /** State that the daemon's health told through the socket, or why it told nothing. */
  daemon: string;
  /** Device of the views' file system as the kernel numbers it; 0 where there is no such folder. */
  viewsDevice: number;
  viewsWritable: boolean;
  viewsListable: boolean;
}

export interface RegistryView {
  /** How far the registry's clock is ahead of this machine's, ms. */
  aheadMs: number;
  /** By its node, how far the clock of each was ahead of this machine's when its status was read, ms. */
  nodesAheadMs: ReadonlyMap<string, number>;
}

export interface Facts {
  settings: Answer<{ daemon?: DaemonConfig; invoker?: InvokerConfig; balancer?: BalancerConfig }>;
  /** Memory of this machine, bytes. */
  memoryBytes: number;
  /** Where the store's path lies. */
  storeMount?: Answer<Mount>;
  instanceSocket?: Answer<DaemonHealth>;
  operatorSocket?: Answer<DaemonHealth>;
  platform?: Answer<PlatformTold>;
  /** Device of the views' file system on the node. */
  viewsDevice?: Answer<number>;
  container?: Answer<ContainerView>;
  /** Longest message by topic, bytes. */
  topics?: Answer<ReadonlyMap<string, number>>;
  registry?: Answer<RegistryView>;
  couch?: Answer<string>;
  etcd?: readonly { host: string; answer: Answer<string> }[];
  controller?: Answer<Environment>;
  /** A stock invoker's. */
  stockInvoker?: Answer<Environment>;
}
