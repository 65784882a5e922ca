/** Real servers on loopback for integration tests and benchmarks. */
export { freePort, type RunningServer } from './server-process';
export { startCouch, type CouchServer } from './couch';
export { startEtcd, type EtcdServer } from './etcd';
export { startKafka, type KafkaServer } from './kafka';
export { startRedis, type RedisServer } from './redis';
export { startAll } from './start-all';
