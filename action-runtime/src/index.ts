export { difference as jointDifference } from './batching/compare';
export { runtimeConfig } from './config';
export type { WireTensor as JointTensor } from './inference/protocol';
export { RUNTIME_COMPONENT, RUNTIME_KEYS, readRuntimeConfig, type RuntimeConfig } from './keys';
export { START_ARGUMENTS, START_ENVIRONMENT } from './start';
