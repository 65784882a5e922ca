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
export { ProfileArchive } from './profiler/archive';
export { plannedRows } from './profiler/choose';
export { htmlPage } from './profiler/page';
export { type GivenInput, type InputOptions } from './profiler/profile-action';
export type { ProfileSite } from './profiler/instance';
export { type PreparedModel, profileModel, type ProfileModelOptions } from './profiler/profile-model';
export { terminalReport } from './profiler/report';
export { type ReportOptions } from './profiler/summary';
export {
  GRAPH_VARIANTS,
  type GraphVariant,
  type ModelProfile,
  pointName,
  type ProfileEntry,
  type ProfilePoint,
} from './profiler/result';
export { type SweepSpace } from './profiler/sweep';
