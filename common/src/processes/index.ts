export { endProcess } from './end-process';
export { hasEnded, processIdentity } from './process-identity';
export { stopOnSignals } from './stop-on-signals';
