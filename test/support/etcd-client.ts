/** etcd as a test looks at it. */
import { credentials } from '@grpc/grpc-js';
import type { Logger } from '@tetris/common';
import { GrpcEtcd } from '@tetris/common/etcd';

/** Against what hangs: the test itself may be kept from its processor for seconds, and then reads an answer late. */
const BOUNDS = { requestMsMax: 60_000, watchSilenceMs: 10_000 };

/** @param address `host:port` */
export function etcdClient(address: string, log: Logger): GrpcEtcd {
  return new GrpcEtcd({ hosts: [address], credentials: credentials.createInsecure(), ...BOUNDS }, log);
}
