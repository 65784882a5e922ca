/**
 * What becomes of a scheduler's order for a container.
 *
 * | order | answer |
 * | --- | --- |
 * | a new scheduler's warm-up | none |
 * | an action whose queue there does not count us | we pull, and it is a success |
 * | one that does | held for `surplusMs`, in which it keeps further orders back, then done without a container |
 * | nothing usable behind | held until something is, for `surplusMs` at most; then the same |
 * | a kind that is not served | held for `elsewhereMs`, then the same: it is ordered again where there is room by then |
 *
 * A surplus order is what a scheduler thinks up where messages come faster than they are pulled. One more container
 * would change nothing, for all pull for the same fleet, but would count against the limit of the namespace. Another kind
 * comes here when no stock invoker has room.
 *
 * No order is refused. To a scheduler an ack without an error only ends the order, and it orders anew for what still
 * waits; an error is written into its log, and the sixth one drops the queue.
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

export type OrderOutcome = 'warm-up' | 'begun' | 'surplus' | 'elsewhere';

export interface OrderRules {
  /** An order is held for so long, ms: a surplus one, or one for which nothing is usable yet. */
  surplusMs: number;
  /** The same of one whose kind is not served here, ms. */
  elsewhereMs: number;
  /** Orders held; beyond it they are answered at once. */
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
    let outcome = this.#judge(creation);
    if (outcome === 'surplus' || outcome === 'elsewhere') {
      await this.#hold(creation);
      // Where the queue has lost us meanwhile, or something is usable again, it is a good one after all.
      outcome = this.#judge(creation);
    }
    this.#parts.outcome(outcome);
    decided(outcome);
    if (outcome === 'begun') await this.#begin(creation);
    if (outcome !== 'warm-up') await this.#send(creation, creationAck(creation, this.#parts.invoker));
  }

  /** Those that are held are judged now: something is usable again. */
  release(): void {
    for (const release of this.#held.values()) release();
  }

  /** Nothing more is begun: the held ones are answered at once. */
  close(): void {
    this.#closed = true;
    this.release();
  }

  #judge(creation: Creation): OrderOutcome {
    const { pulled, isUsable } = this.#parts;
    const action = actionOf(creation);
    if (isWarmUp(creation)) return 'warm-up';
    if (!this.#isServed(creation) || action === undefined) return 'elsewhere';
    if (pulled.isSurplus(schedulerOf(creation), action)) return 'surplus';
    return this.#closed || !isUsable() ? 'elsewhere' : 'begun';
  }

  #isServed(creation: Creation): boolean {
    return this.#parts.isServed(creation.whiskActionMetaData.exec.kind);
  }

  async #begin(creation: Creation): Promise<void> {
    const action = actionOf(creation);
    if (action !== undefined) await this.#parts.pulled.ordered(action, schedulerOf(creation));
  }

  /** Where too many are held it does not wait. */
  async #hold(creation: Creation): Promise<void> {
    if (this.#closed || this.#held.size >= this.#rules.surplusMax) return;
    const { surplusMs, elsewhereMs } = this.#rules;
    await new Promise<void>((release) => {
      const timer = setTimeout(release, this.#isServed(creation) ? surplusMs : elsewhereMs);
      this.#held.set(creation, () => {
        clearTimeout(timer);
        release();
      });
    });
    this.#held.delete(creation);
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
