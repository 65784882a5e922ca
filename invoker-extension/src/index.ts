export { InvokerExtension, type InvokerParts } from './invoker-extension';
export { invokerConfig, type InvokerConfig, workPathOf } from './config';
export type {
  CallOptions,
  Container,
  ContainerFactory,
  ContainerReply,
  ContainerSpec,
  LogLine,
} from './containers/container';
export { InstanceLogs } from './containers/logs';
export { PeerDirectory, type PeerDirectoryOptions } from './peer-directory';
export { ProcessFactory, type ProcessFactoryOptions } from './containers/process-factory';
export { DOCKER_KEYS, type DockerConfig } from './containers/docker-config';
export { DockerFactory, type DockerFactoryOptions } from './containers/docker-factory';
export { type ModelRoot, parseModelRoot } from './containers/docker-request';
export { type StemCellKind, type StemCellPlan, StemCells } from './containers/stem-cells';
export { isSameSubject, ProfileArchive } from './profiles/archive';
export { choose, costPerformance, isUsable, plannedRows, type UsableEntry } from './profiles/choose';
export {
  type Deviation,
  DeviationSchema,
  GRAPH_VARIANTS,
  type GraphVariant,
  type Measurement,
  type ModelProfile,
  pointName,
  type ProfileEntry,
  type ProfilePoint,
  type Quantization,
} from './profiles/result';
