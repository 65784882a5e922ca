export { InvokerExtension, type InvokerParts } from './invoker-extension';
export { invokerConfig, type InvokerConfig, workPathOf } from './config';
export type {
  CallOptions,
  Container,
  ContainerFactory,
  ContainerReply,
  ContainerSpec,
  LogLine,
} from './sandboxes/container';
export { InstanceLogs } from './messages/logs';
export { PeerDirectory, type PeerDirectoryOptions } from './peer-directory';
export { cgroupPrivateBytes, memoryCgroup } from './sandboxes/docker-memory';
export { ProcessFactory, type ProcessFactoryOptions } from './sandboxes/process-factory';
export { DOCKER_KEYS, type DockerConfig } from './sandboxes/docker-config';
export { DockerFactory, type DockerFactoryOptions } from './sandboxes/docker-factory';
export { type ModelRoot, parseModelRoot } from './sandboxes/container-paths';
export { KUBERNETES_KEYS, type KubernetesConfig } from './sandboxes/kubernetes-config';
export { KubernetesFactory, type KubernetesFactoryOptions } from './sandboxes/kubernetes-factory';
export { KubernetesClient, type KubernetesClientOptions } from './sandboxes/kubernetes-client';
export { claimIndex } from './sandboxes/kubernetes-index';
export { podRequest } from './sandboxes/kubernetes-pod';
export type { Lease, Pod, PodStatus, Status } from './sandboxes/kubernetes-types';
export { type GroupDescription } from './instances/group';
export { Pool, type PoolCommand, type PoolOptions } from './instances/pool';
export { type InvokerMetrics, invokerMetrics } from './metrics';
export { FixedKeepAlive, type KeepAlivePolicy } from './scaling/keep-alive';
export { Scaler, type ScalerOptions, type ScalingOrders } from './scaling/scaler';
export { scalerOptions } from './scaling/scaling-config';
export type { InstanceSettings } from './scaling/settings';
export { StatusPublisher } from './status';
export { type StemCellKind, type StemCellPlan, StemCells } from './instances/stem-cells';
export { isSameSubject, ProfileArchive } from './profiles/archive';
export {
  choose,
  costPerformance,
  givenBytes,
  isUsable,
  mostPromising,
  perRequestMs,
  plannedRows,
  type UsableEntry,
} from './profiles/choose';
export {
  type Conversion,
  type ConversionResult,
  CONVERSIONS,
  type Deviation,
  DeviationSchema,
  GRAPH_VARIANTS,
  isConversion,
  type Machine,
  type GraphVariant,
  type Measurement,
  type ModelProfile,
  ModelProfileSchema,
  pointName,
  type ProfileEntry,
  type ProfilePoint,
} from './profiles/result';
export { planInstances } from './scaling/plan';
export { batchWaitMs, BYTES_PER_MB, cost, efficiency, meetsSlo, type ProfileRow, serviceRate } from './scaling/profile';
