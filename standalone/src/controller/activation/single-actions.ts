import { type Activation, type EntityStore, within } from '@tetris/common';
import type { Sent, ShardingBalancer } from '../balancer/sharding-balancer';
import { activationMessage, type Call } from './message';
import { Pauses } from './pauses';

/**
 * Waits between looks into the database after a shrunk result. Source: `K/controller/actions/PrimitiveActions.scala`.
 */
const SHRUNK_WAITS_MS = [1_000, 3_000, 5_000, 7_000];
/** The look that every blocking call takes beside. */
const SLOW_POLL_MS = 15_000;

/** `record` is absent for a non-blocking call, and for a blocking one that took too long. */
export interface Invoked {
  activationId: string;
  record?: Activation;
}

export interface SingleActionsOptions {
  /** Names the `completed` topic. */
  controller: string;
  store: Pick<EntityStore, 'getActivation'>;
  balancer: ShardingBalancer;
  /** Longest wait for a record to be stored before its activation is answered. */
  recordWaitMs: number;
}

/** Actions that an invoker runs: one message, one record. */
export class SingleActions {
  readonly #options: SingleActionsOptions;

  constructor(options: SingleActionsOptions) {
    this.#options = options;
  }

  /** Sends and does not wait. @throws PluginError `ERR_NO_CAPACITY`, `ERR_MESSAGE_TOO_LARGE`, `ERR_BUS_UNAVAILABLE` */
  async start(call: Call): Promise<Invoked> {
    const { activationId } = await this.#send(call, false);
    return { activationId };
  }

  /**
   * Sends and waits, at most `waitMs`; the activation goes on where that was too short. A result is there before its
   * record is stored, which waits for the logs: who gets the result can read the record, for which there is a bound
   * too. Throws as {@link start}.
   */
  async run(call: Call, waitMs: number): Promise<Invoked> {
    const sent = await this.#send(call, true);
    const { activationId } = sent;
    const record = await awaitRecord(sent, this.#options.store, call.user.namespace.name, waitMs);
    if (record === undefined) return { activationId };
    await within(sent.freed, this.#options.recordWaitMs);
    return { activationId, record: { ...record, logs: [] } };
  }

  async #send(call: Call, blocking: boolean): Promise<Sent> {
    const { balancer, controller } = this.#options;
    return balancer.publish({ message: activationMessage(call, controller, blocking), limits: call.action.limits });
  }
}

/**
 * Waits for a blocking activation: for its ack, and with an eye on the database, which alone has the record when the
 * ack was shrunk or lost. Undefined when `waitMs` has passed.
 */
async function awaitRecord(
  { activationId, result }: Sent,
  store: Pick<EntityStore, 'getActivation'>,
  namespace: string,
  waitMs: number,
): Promise<Activation | undefined> {
  const pauses = new Pauses();
  const look = (): Promise<Activation | undefined> =>
    store.getActivation(`${namespace}/${activationId}`).catch(() => undefined);
  const poll = async (waits: Iterable<number>): Promise<Activation> => {
    for (const wait of waits) {
      await pauses.of(wait);
      const record = await look();
      if (record !== undefined) return record;
    }
    return never();
  };
  const acked = async (): Promise<Activation> => {
    const record = await result.catch(never);
    return typeof record === 'string' ? poll(SHRUNK_WAITS_MS) : record;
  };
  const slow = Array.from({ length: Math.floor(waitMs / SLOW_POLL_MS) }, () => SLOW_POLL_MS);
  try {
    return await within(Promise.race([acked(), poll(slow)]), waitMs);
  } finally {
    pauses.end();
  }
}

const never = (): Promise<never> => new Promise(() => undefined);
