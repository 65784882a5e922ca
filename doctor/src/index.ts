export { examine } from './examine';
export type { ContainerView, Environment, Facts, Mount, PlatformTold, RegistryView } from './facts';
export { mountOf, parseEnvironment } from './facts/node';
export { type CheckName, CHECKS, type Finding } from './finding';
export { report } from './report';
