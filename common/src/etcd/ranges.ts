import type { KeyValue } from '../proto/etcd_pb';
import type { EtcdEntry } from './etcd';

export function entryOf({ key, value, lease }: KeyValue): EtcdEntry {
  return { key, value, leaseId: lease };
}

/** The first key behind all that begin so. @param prefix not empty, with an ASCII character at its end */
export function endOfPrefix(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}
