export { LoadBalancer, type LoadBalancerOptions } from './balancer';
export { balancerConfig, type BalancerConfig } from './config';
export { Fleet } from './fleet/fleet';
export { availableBytes, type Invoker } from './fleet/invoker';
export { Outcomes } from './fleet/outcomes';
export { controllerDeadlineMs, type DeadlineRules } from './in-flight/deadline';
export { type Fractions, homeHash, homeWalk, invokersFor, javaHash } from './placement/home-invoker';
export { Placer, type Placement, type PlacementRequest, type PlacementRules } from './placement/placement';
export { SimilarityIndex } from './placement/similarity';
