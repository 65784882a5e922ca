export { DAEMON_CONFIG, type DaemonConfig } from './config';
export { type RunningDaemon, startDaemon } from './daemon';
export * from './proto/index';
