export { DAEMON_CONFIG, type DaemonConfig } from './config';
export { FAULT_POINTS, type FaultPoint } from './fault';
export { graphsOf } from './ingest/graph-rewrite';
export * from './proto/index';
export { type Manifest, STORE_FORMAT } from './store/manifest';
