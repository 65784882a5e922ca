/** The key by which schedulers take this load balancer for an invoker with memory. */
import type { Etcd, LeasedKeys } from '@tetris/common';
import { PluginError } from '@tetris/common';
import type { FleetState } from '../front-end';
import type { EtcdKeys } from './etcd-keys';

export interface VirtualInvokerKeyOptions {
  id: number;
  /** In no other invoker's key. */
  uniqueName: string;
  /** Actions that ask for these come here, and no others while a stock invoker has room. */
  tags: readonly string[];
}

/** Free memory is told in steps of this: a scheduler reads it for each order, and each change is a write to etcd. */
const STEP_MB = 64;
/** The smallest memory limit of an action: with less left than this an invoker is left out. */
const MARGIN_MB = 128;
const MB = 1024 ** 2;

export class VirtualInvokerKey {
  readonly #keys: EtcdKeys;
  readonly #leased: LeasedKeys;
  readonly #options: VirtualInvokerKeyOptions;
  #told = '';

  constructor(keys: EtcdKeys, leased: LeasedKeys, options: VirtualInvokerKeyOptions) {
    this.#keys = keys;
    this.#leased = leased;
    this.#options = options;
  }

  /** @throws PluginError `ERR_CONFIG_INVALID` where somebody else has this id */
  async claim(etcd: Etcd): Promise<void> {
    const { id } = this.#options;
    const others = (await etcd.list(this.#keys.invoker(id))).filter(({ key }) => key !== this.#key);
    if (others[0] === undefined) return;
    const text = `invoker id ${id} is taken by ${others[0].key}: set another TETRIS_BALANCER_FPC_FIRST_INVOKER`;
    throw new PluginError('ERR_CONFIG_INVALID', text);
  }

  /**
   * @param orderedMaxMb memory of all that a scheduler may order here at once. Memory here is shared and made free, so
   *   that no order needs it; but one that finds less than this and {@link MARGIN_MB} in the key goes elsewhere, and where
   *   several orders of one action do not fit, a 2.0.0 scheduler fails (`head of empty list`).
   */
  async tell({ usable, freeBytes }: FleetState, orderedMaxMb: number): Promise<void> {
    const freeMemory = Math.max(orderedMaxMb + MARGIN_MB, Math.floor(freeBytes / MB / STEP_MB) * STEP_MB);
    const { tags } = this.#options;
    const state = { freeMemory, busyMemory: 0, inProgressMemory: 0, tags, dedicatedNamespaces: [] };
    const value = JSON.stringify({ status: usable ? 'up' : 'unhealthy', ...state });
    if (value === this.#told) return;
    this.#told = value;
    await this.#leased.put(this.#key, value);
  }

  async remove(): Promise<void> {
    this.#told = '';
    await this.#leased.delete(this.#key);
  }

  get #key(): string {
    return this.#keys.invoker(this.#options.id, this.#options.uniqueName);
  }
}
