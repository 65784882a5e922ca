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
export { ProcessFactory, type ProcessFactoryOptions } from './containers/process-factory';
