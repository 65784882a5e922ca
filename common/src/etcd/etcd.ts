/** What the components use of etcd. Adapter: `@tetris/common/etcd`. Keys and values are UTF-8 text. */

export interface EtcdEntry {
  key: string;
  value: string;
  /** It goes when this lease ends; 0 where it has none. */
  leaseId: bigint;
}

export interface EtcdLease {
  id: bigint;
  /** As granted, which may be more than what was asked for, ms. */
  ttlMs: number;
}

/** Calls come in the order of the changes. Must not throw. */
export interface EtcdWatcher {
  /** All that is there; first, and again where changes were missed: what is not among these is gone. */
  present(entries: readonly EtcdEntry[]): void;
  /** Written, perhaps with the value that it had. */
  put(entry: EtcdEntry): void;
  deleted(key: string): void;
}

/** What has to hold for a transaction to take place. */
export type EtcdCondition = { key: string; is: 'absent' } | { key: string; is: 'value'; value: string };

export type EtcdChange = { put: string; value: string; leaseId?: bigint } | { delete: string };

/** Every call throws PluginError `ERR_STORE_UNAVAILABLE`, retriable where etcd is away or slow. */
export interface Etcd {
  /** @param ttlMs rounded up to seconds */
  grantLease(ttlMs: number): Promise<EtcdLease>;
  /** @returns its time to live, ms @throws PluginError `ERR_LEASE_UNKNOWN` where it has ended */
  renewLease(id: bigint): Promise<number>;
  /** Its keys go with it. One that has ended is no error. */
  revokeLease(id: bigint): Promise<void>;
  /** @throws PluginError `ERR_LEASE_UNKNOWN` */
  put(key: string, value: string, leaseId?: bigint): Promise<void>;
  delete(key: string): Promise<void>;
  /** The value of a key, undefined where it is not there. */
  get(key: string): Promise<string | undefined>;
  /** All entries whose keys begin so. */
  list(prefix: string): Promise<EtcdEntry[]>;
  /** All of the changes, or none where a condition does not hold. @throws PluginError `ERR_LEASE_UNKNOWN` */
  transact(conditions: readonly EtcdCondition[], changes: readonly EtcdChange[]): Promise<boolean>;
  /**
   * Tells what is there and every change after it, in whatever state etcd is meanwhile. Resolves when what is there has
   * been told. @returns stops it
   */
  watch(prefix: string, watcher: EtcdWatcher): Promise<() => void>;
  close(): Promise<void>;
}
