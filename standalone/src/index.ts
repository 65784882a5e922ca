export { defaultArchive, STANDALONE_CONFIG } from './config';
export type { InstanceProcess } from './instance-processes';
export type { PlatformNode } from './node';
export { type Platform, type PlatformOptions, startPlatform } from './platform';
export {
  type Books,
  type Dispatch,
  type Sent,
  ShardingBalancer,
  type ShardingBalancerOptions,
} from './controller/balancer/sharding-balancer';
export { putHealthTestAction } from './controller/balancer/health-test';
export type { AckedResult } from './controller/balancer/ledger';
export type { InvokerState } from './controller/balancer/supervision';
export type { OnViolation, Violation, ViolationKind } from './controller/balancer/violation';
