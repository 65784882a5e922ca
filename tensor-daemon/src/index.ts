export { DAEMON_CONFIG, type DaemonConfig } from './config';
export { cpuOf, detectPlatform, type Platform } from './ingest/model-key';
export { FAULT_POINTS, type FaultPoint } from './fault';
export { type Manifest, STORE_FORMAT } from './store/manifest';
