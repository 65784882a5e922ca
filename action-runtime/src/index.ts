export { runtimeConfig } from './config';
export { RUNTIME_COMPONENT, RUNTIME_KEYS, readRuntimeConfig, type RuntimeConfig } from './keys';
export { START_ARGUMENTS, START_ENVIRONMENT } from './start';
