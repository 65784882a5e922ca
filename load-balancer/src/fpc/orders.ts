/**
 * What becomes of a scheduler's order for a container.
 *
 * | order | answer |
 * | --- | --- |
 * | a new scheduler's warm-up | none |
 * | a kind that is not served, nothing usable behind, or closed | `ResourceNotEnoughError`: it is ordered elsewhere |
 * | an action whose queue there does not count us | we begin to pull, and it is a success |
 * | one that does | held for `surplusMs`, in which it keeps further orders back, then a success too |
 *
 * A surplus order is what a scheduler thinks up where messages come faster than they are pulled. One more container
 * would change nothing, for all pull for the same fleet, but would count against the limit of the namespace: so there is
 * none, and the order is done all the same. An error would be told in the scheduler's log.
 */
import { type InvokerInstanceId, type Logger, errorMessage } from '@tetris/common';
import type { PulledAction } from './etcd-keys';
import { type Creation, creationAck, isWarmUp } from './messages';
import type { PulledActions } from './pulled-actions';

export interface OrderParts {
  pulled: PulledActions;
  /** Is anything usable behind, and are we open? */
  isUsable: () => boolean;
  /** Ours, and those that run here where no stock invoker takes them. */
  isServed: (kind: string) => boolean;
  /** Sends an ack to the scheduler of this id. */
  send: (scheduler: string, ack: string) => Promise<void>;
  outcome: (outcome: OrderOutcome) => void;
  invoker: InvokerInstanceId;
  log: Logger;
}

export type OrderOutcome = 'warm-up' | 'refused' | 'begun' | 'surplus';

export interface OrderRules {
  /** A surplus order is held for so long, ms. */
  surplusMs: number;
  /** Surplus orders held; beyond it they are done at once. */
  surplusMax: number;
}

export class Orders {
  readonly #parts: OrderParts;
  readonly #rules: OrderRules;
  /** Each is released early by what it is mapped to. */
  readonly #held = new Map<Creation, () => void>();
  #closed = false;

  constructor(parts: OrderParts, rules: OrderRules) {
    this.#parts = parts;
    this.#rules = rules;
  }

  /** Resolves when the order has been answered: one that a crash interrupts comes again. */
  async ordered(creation: Creation, decided: (outcome: OrderOutcome) => void = () => undefined): Promise<void> {
    const outcome = this.#judge(creation);
    this.#parts.outcome(outcome);
    decided(outcome);
    const { exec } = creation.whiskActionMetaData;
    const action = actionOf(creation);
    if (outcome === 'refused') {
      const reason = this.#parts.isServed(exec.kind)
        ? 'No invoker is usable now.'
        : `Kind '${exec.kind}' is not served here.`;
      return this.#refuse(creation, reason);
    }
    if (outcome === 'begun' && action !== undefined) return this.#begin(creation, action);
    if (outcome === 'surplus' && action !== undefined) return this.#hold(creation, action);
  }

  /** Gives the held ones back at once. */
  close(): void {
    this.#closed = true;
    for (const release of this.#held.values()) release();
  }

  #judge(creation: Creation): OrderOutcome {
    const { pulled, isUsable, isServed } = this.#parts;
    const action = actionOf(creation);
    if (isWarmUp(creation)) return 'warm-up';
    if (!isServed(creation.whiskActionMetaData.exec.kind) || !isUsable() || action === undefined) return 'refused';
    return pulled.isPulledFrom(schedulerOf(creation), action) ? 'surplus' : 'begun';
  }

  async #begin(creation: Creation, action: PulledAction): Promise<void> {
    await this.#parts.pulled.begin(action, schedulerOf(creation));
    await this.#done(creation);
  }

  async #done(creation: Creation): Promise<void> {
    await this.#send(creation, creationAck(creation, this.#parts.invoker));
  }

  /** Where the queue has lost us meanwhile, the order is a good one after all. */
  async #hold(creation: Creation, action: PulledAction): Promise<void> {
    const { pulled, isUsable } = this.#parts;
    if (this.#held.size >= this.#rules.surplusMax) return this.#done(creation);
    await new Promise<void>((release) => {
      const timer = setTimeout(release, this.#rules.surplusMs);
      this.#held.set(creation, () => {
        clearTimeout(timer);
        release();
      });
    });
    this.#held.delete(creation);
    if (this.#closed || !isUsable()) return this.#refuse(creation, 'No invoker is usable now.');
    if (pulled.isPulledFrom(schedulerOf(creation), action)) return this.#done(creation);
    return this.#begin(creation, action);
  }

  async #refuse(creation: Creation, reason: string): Promise<void> {
    await this.#send(creation, creationAck(creation, this.#parts.invoker, reason));
  }

  /** Never rejects: a scheduler that hears nothing orders again after 20 s. */
  async #send(creation: Creation, ack: string): Promise<void> {
    const { send, log } = this.#parts;
    await send(creation.rootSchedulerIndex.asString, ack).catch((error: unknown) => {
      log.error({ creationId: creation.creationId, reason: errorMessage(error) }, 'order could not be answered');
    });
  }
}

export function actionOf({ invocationNamespace, action, revision }: Creation): PulledAction | undefined {
  return revision === null ? undefined : { namespace: invocationNamespace, name: action, revision };
}

const schedulerOf = ({ schedulerHost: host, rpcPort: port }: Creation): { host: string; port: number } => ({
  host,
  port,
});
