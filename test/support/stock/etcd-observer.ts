/** What schedulers can see of invokers in etcd. */
import { createLogger, type EtcdEntry } from '@tetris/common';
import type { GrpcEtcd } from '@tetris/common/etcd';
import { etcdClient } from '../etcd-client';
import { CLUSTER_NAME } from './stock-process';

const KINDS = ['invokers', 'namespace', 'warmed'] as const;

export class EtcdObserver {
  readonly #etcd: GrpcEtcd;
  readonly #states: string[] = [];

  private constructor(address: string) {
    this.#etcd = etcdClient(address, createLogger('observer', 'silent'));
  }

  static async start(address: string): Promise<EtcdObserver> {
    const observer = new EtcdObserver(address);
    const put = (entry: EtcdEntry): void => observer.#put(entry);
    await observer.#etcd.watch(`${CLUSTER_NAME}/invokers/`, {
      present: (entries) => entries.forEach(put),
      put,
      deleted: () => undefined,
    });
    return observer;
  }

  /** Every change of a load balancer's state, such as `up`. */
  get states(): readonly string[] {
    return [...this.#states];
  }

  /** Keys of invokers, of one kind or all. */
  async keys(kind?: (typeof KINDS)[number]): Promise<string[]> {
    const kinds = kind === undefined ? KINDS : [kind];
    const lists = await Promise.all(kinds.map(async (each) => this.#etcd.list(`${CLUSTER_NAME}/${each}/`)));
    return lists.flat().map(({ key }) => key);
  }

  async stop(): Promise<void> {
    await this.#etcd.close();
  }

  #put({ key, value }: EtcdEntry): void {
    const { status } = JSON.parse(value) as { status: string };
    if (key.includes('tetris-lb') && status !== this.#states.at(-1)) this.#states.push(status);
  }
}
