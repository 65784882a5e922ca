/** etcd by its own protocol, v3. Several members are tried in turn. */
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { isPluginError, PluginError } from '../errors';
import { type Duplex, GrpcChannel } from '../grpc/grpc-channel';
import type { Logger } from '../log';
import { KV, Lease, LeaseKeepAliveRequestSchema, type RequestOpSchema } from '../proto/etcd_pb';
import type { Etcd, EtcdChange, EtcdCondition, EtcdEntry, EtcdLease, EtcdWatcher } from './etcd';
import { EtcdWatch } from './etcd-watch';
import { endOfPrefix, entryOf } from './ranges';

export interface GrpcEtcdOptions {
  /** `host:port` of each member. */
  hosts: readonly [string, ...string[]];
  credentials: ChannelCredentials;
  /** Bound of each call, ms. */
  requestMsMax: number;
  /** A watch that is silent for so long is taken for dead, ms. */
  watchSilenceMs: number;
}

export class GrpcEtcd implements Etcd {
  readonly #options: GrpcEtcdOptions;
  readonly #log: Logger;
  readonly #watches = new Set<EtcdWatch>();
  readonly #channels: readonly GrpcChannel[];
  #member = 0;

  constructor(options: GrpcEtcdOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
    this.#channels = options.hosts.map((host) => new GrpcChannel(host, options.credentials));
  }

  async grantLease(ttlMs: number): Promise<EtcdLease> {
    const { id, ttl } = await this.call(Lease.method.leaseGrant, { ttl: BigInt(Math.ceil(ttlMs / 1_000)) });
    return { id, ttlMs: Number(ttl) * 1_000 };
  }

  async renewLease(id: bigint): Promise<number> {
    const stream = this.duplex(Lease.method.leaseKeepAlive);
    const ttl = await firstAnswer(stream, this.#options.requestMsMax, () => {
      stream.write(create(LeaseKeepAliveRequestSchema, { id }));
      stream.end();
    }).catch((error: unknown) => this.#failed(error));
    if (ttl.ttl <= 0n) throw leaseUnknown(id);
    return Number(ttl.ttl) * 1_000;
  }

  async revokeLease(id: bigint): Promise<void> {
    try {
      await this.call(Lease.method.leaseRevoke, { id });
    } catch (error) {
      if (!isUnknownLease(error)) throw error;
    }
  }

  async put(key: string, value: string, leaseId = 0n): Promise<void> {
    await this.transact([], [{ put: key, value, leaseId }]);
  }

  async delete(key: string): Promise<void> {
    await this.transact([], [{ delete: key }]);
  }

  async get(key: string): Promise<string | undefined> {
    const { kvs } = await this.call(KV.method.range, { key });
    return kvs[0]?.value;
  }

  async list(prefix: string): Promise<EtcdEntry[]> {
    return (await this.listAt(prefix)).entries;
  }

  /** With the revision at which it was so. */
  async listAt(prefix: string): Promise<{ entries: EtcdEntry[]; revision: bigint }> {
    const { kvs, header } = await this.call(KV.method.range, { key: prefix, rangeEnd: endOfPrefix(prefix) });
    return { entries: kvs.map(entryOf), revision: header?.revision ?? 0n };
  }

  async transact(conditions: readonly EtcdCondition[], changes: readonly EtcdChange[]): Promise<boolean> {
    const compare = conditions.map((condition) =>
      condition.is === 'absent'
        ? { key: condition.key, target: COMPARE_VERSION, targetUnion: { case: 'version' as const, value: 0n } }
        : {
            key: condition.key,
            target: COMPARE_VALUE,
            targetUnion: { case: 'value' as const, value: condition.value },
          },
    );
    try {
      return (await this.call(KV.method.txn, { compare, success: changes.map(operationOf) })).succeeded;
    } catch (error) {
      const leased = changes.find((change) => 'put' in change && (change.leaseId ?? 0n) !== 0n);
      if (!isUnknownLease(error) || leased === undefined || !('put' in leased)) throw error;
      throw leaseUnknown(leased.leaseId ?? 0n);
    }
  }

  async watch(prefix: string, watcher: EtcdWatcher): Promise<() => void> {
    const watch = new EtcdWatch(this, { prefix, silenceMs: this.#options.watchSilenceMs }, watcher, this.#log);
    this.#watches.add(watch);
    await watch.start();
    return () => {
      watch.stop();
      this.#watches.delete(watch);
    };
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.stop();
    for (const channel of this.#channels) channel.close();
  }

  /** One call to the member whose turn it is. */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    return this.#channel
      .unary(method, request, this.#options.requestMsMax)
      .catch((error: unknown) => this.#failed(error));
  }

  duplex<I extends DescMessage, O extends DescMessage>(method: DescMethodBiDiStreaming<I, O>): Duplex<I, O> {
    return this.#channel.duplex(method);
  }

  /** A member that did not answer: the next one's turn. */
  nextMember(): void {
    this.#member = (this.#member + 1) % this.#channels.length;
  }

  get #channel(): GrpcChannel {
    return this.#channels[this.#member] as GrpcChannel;
  }

  #failed(error: unknown): never {
    if (isPluginError(error) && error.retriable) this.nextMember();
    throw error;
  }
}

const COMPARE_VERSION = 0;
const COMPARE_VALUE = 3;

function operationOf(change: EtcdChange): MessageInitShape<typeof RequestOpSchema> {
  if ('delete' in change) return { request: { case: 'requestDeleteRange', value: { key: change.delete } } };
  const { put: key, value, leaseId: lease = 0n } = change;
  return { request: { case: 'requestPut', value: { key, value, lease } } };
}

const isUnknownLease = (error: unknown): boolean => isPluginError(error) && error.fields['status'] === 'NOT_FOUND';

function leaseUnknown(id: bigint): PluginError {
  const text = `etcd knows no lease ${id}: it has expired or was revoked; its keys are gone`;
  return new PluginError('ERR_LEASE_UNKNOWN', text, { retriable: true });
}

/** One answer of a stream that ends after it. */
function firstAnswer<I extends DescMessage, O extends DescMessage>(
  stream: Duplex<I, O>,
  timeoutMs: number,
  ask: () => void,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      const text = `etcd: ${error instanceof Error ? error.message : String(error)}`;
      reject(new PluginError('ERR_STORE_UNAVAILABLE', text, { retriable: true, cause: error }));
    };
    const timer = setTimeout(() => {
      fail(new Error(`no answer within ${timeoutMs} ms`));
      stream.cancel();
    }, timeoutMs);
    stream.on('data', (answer: MessageShape<O>) => {
      clearTimeout(timer);
      resolve(answer);
    });
    stream.on('error', fail);
    stream.on('end', () => fail(new Error('ended without an answer')));
    ask();
  });
}
