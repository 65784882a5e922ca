export { DAEMON_CONFIG, type DaemonConfig } from './config';
export { FAULT_POINTS, type FaultPoint } from './fault';
export { type Manifest, STORE_FORMAT } from './store/manifest';
