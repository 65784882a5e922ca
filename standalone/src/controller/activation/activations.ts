import { type Activation, type EntityStore, errorMessage, type Logger, within } from '@tetris/common';
import type { Access } from '../access';
import type { ShardingBalancer } from '../balancer/sharding-balancer';
import { componentsOf } from '../entities/actions';
import type { Resolution } from '../resolution';
import { Compositions, isConductor } from './compositions';
import type { Call } from './message';
import { Sequences, type Started } from './sequences';
import { type Invoked, SingleActions } from './single-actions';

export interface ActivationsOptions {
  /** Names the `completed` topic. */
  controller: string;
  store: Pick<EntityStore, 'getActivation' | 'putActivation'>;
  balancer: ShardingBalancer;
  resolution: Resolution;
  access: Access;
  log: Logger;
  /** Actions in a sequence or composition. */
  actionsMax: number;
  /** Longest wait for a record to be stored before its activation is answered. */
  recordWaitMs: number;
  /** Epoch ms. */
  now: () => number;
}

/** Beyond an action's own time limit, as stock has it for a part of a sequence. */
const PART_GRACE_MS = 60_000;

/**
 * Runs whatever an action is: single, sequence or composition. Source:
 * `K/controller/actions/PostActionActivation.scala`.
 */
export class Activations {
  readonly #options: ActivationsOptions;
  readonly #single: SingleActions;
  readonly #sequences: Sequences;
  readonly #compositions: Compositions;

  constructor(options: ActivationsOptions) {
    this.#options = options;
    this.#single = new SingleActions(options);
    const store = (call: Call, record: Activation): void => this.record(call, record);
    this.#sequences = new Sequences({ ...options, store, run: (call) => this.#runPart(call) });
    this.#compositions = new Compositions({
      ...options,
      store,
      single: (call) => this.#runSingle(call),
      sequence: (call) => this.#sequences.start(call).record,
    });
  }

  /** Does not wait. Throws as {@link invoke}. */
  async start(call: Call): Promise<Invoked> {
    const started = this.#startComposite(call);
    if (started === undefined) return this.#single.start(call);
    return { activationId: started.activationId };
  }

  /**
   * Waits at most `waitMs`. What is answered with a record can be read in the store, with all that it ran, where its
   * namespace wants records and they are stored within their own bound.
   * @throws PluginError `ERR_NO_CAPACITY`, `ERR_MESSAGE_TOO_LARGE`, `ERR_BUS_UNAVAILABLE`
   */
  async invoke(call: Call, waitMs: number): Promise<Invoked> {
    const started = this.#startComposite(call);
    if (started === undefined) return this.#single.run(call, waitMs);
    const { activationId } = started;
    const record = await within(started.record, waitMs);
    return record === undefined ? { activationId } : { activationId, record };
  }

  /** Keeps a record of the controller's own making. */
  record(call: Pick<Call, 'user'>, record: Activation): void {
    if (keepsRecords(call)) this.#options.store.putActivation(record);
  }

  #startComposite(call: Call): Started | undefined {
    if (componentsOf(call.action) !== undefined) return this.#logged(this.#sequences.start(call));
    return isConductor(call.action) ? this.#logged(this.#compositions.start(call)) : undefined;
  }

  #logged(started: Started): Started {
    started.record.catch((error: unknown) => {
      const { activationId } = started;
      this.#options.log.error({ activationId, reason: errorMessage(error) }, 'sequence or composition failed');
    });
    return started;
  }

  async #runPart(call: Call): Promise<Invoked> {
    if (!isConductor(call.action)) return this.#runSingle(call);
    const { activationId, record } = this.#compositions.start(call);
    return { activationId, record: await record };
  }

  #runSingle(call: Call): Promise<Invoked> {
    return this.#single.run(call, call.action.limits.timeout + PART_GRACE_MS);
  }
}

const keepsRecords = ({ user }: Pick<Call, 'user'>): boolean => user.limits.storeActivations !== false;
