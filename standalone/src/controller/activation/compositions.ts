import {
  type Activation,
  type ActivationResponse,
  type EntityName,
  fullyQualifiedName,
  newActivationId,
  STATUS,
  valueOf,
} from '@tetris/common';
import type { Access } from '../access';
import { componentsOf } from '../entities/actions';
import { readNextAction } from '../entities/names';
import type { Resolution } from '../resolution';
import { asRestError } from '../rest-error';
import { TEXTS } from '../texts';
import { compositeRecord, durationOf, failure, largest, memoryOf } from './composite-record';
import { type Call, childOf, type Payload, type RunnableAction } from './message';
import type { Started } from './sequences';
import type { Invoked } from './single-actions';

export interface CompositionsOptions {
  resolution: Resolution;
  access: Access;
  /** Runs an action that is neither sequence nor conductor. */
  single: (call: Call) => Promise<Invoked>;
  sequence: (call: Call) => Promise<Activation>;
  store: (call: Call, record: Activation) => void;
  /** Components; a conductor may run once more than twice as often. */
  actionsMax: number;
  /** Epoch ms. */
  now: () => number;
}

/** Shared by a composition and those within it, so that the limits hold for all together. */
interface Counts {
  components: number;
  conductors: number;
}

/** One composition that runs. */
interface Session {
  call: Call;
  activationId: string;
  counts: Counts;
  activationIds: string[];
  durationMs: number;
  memoryMb: number | undefined;
  /** What the conductor wants to be reminded of. */
  state: Record<string, unknown>;
}

/** What a conductor answers: the next action, or with none the result. */
interface Step {
  next?: unknown;
  params?: Record<string, unknown> | undefined;
}

/** An action with the annotation `conductor` says which actions run. */
export const isConductor = ({ annotations }: RunnableAction): boolean => Boolean(valueOf(annotations, 'conductor'));

/**
 * Compositions: a conductor action is run, names an action, is run again with that one's result, and so on until it
 * names none. Source: `K/controller/actions/PrimitiveActions.scala` invokeComposition.
 */
export class Compositions {
  readonly #options: CompositionsOptions;

  constructor(options: CompositionsOptions) {
    this.#options = options;
  }

  start(call: Call, counts: Counts = { components: 0, conductors: 0 }): Started {
    const activationId = newActivationId();
    return { activationId, record: this.#run(call, activationId, counts) };
  }

  async #run(call: Call, activationId: string, counts: Counts): Promise<Activation> {
    const { now, store } = this.#options;
    const startMs = now();
    const { memory } = call.action.limits;
    const session = { call, activationId, counts, activationIds: [], durationMs: 0, memoryMb: memory, state: {} };
    const response = await this.#conduct(session);
    const record = compositeRecord({ ...session, startMs, endMs: now(), response, conductor: true });
    store(call, record);
    return record;
  }

  /** Conductor and components in turn, until there is a result. */
  async #conduct(session: Session): Promise<ActivationResponse> {
    const { actionsMax } = this.#options;
    let payload = session.call.payload;
    while (session.counts.conductors <= 2 * actionsMax) {
      session.counts.conductors += 1;
      const conductor = await this.#answer(
        session,
        this.#options.single(this.#part(session, session.call.action, payload)),
      );
      if ('failure' in conductor) return conductor.failure;
      const { statusCode, result } = conductor.record.response;
      const { next, params } = readStep(session, result);
      if (next === undefined) return { statusCode, result: params ?? result };
      const component = await this.#runNext(session, next, params);
      if ('failure' in component) return component.failure;
      payload = { ...component.result, ...session.state };
    }
    return failure(STATUS.applicationError, TEXTS.compositionTooLong);
  }

  /** The result with which the conductor goes on, which may be an error; or a failure that ends everything. */
  async #runNext(
    session: Session,
    next: unknown,
    params: Record<string, unknown> | undefined,
  ): Promise<{ result: object } | { failure: ActivationResponse }> {
    const name = readNextAction(next, session.call.user.namespace.name);
    if (name === undefined) return errorResult(TEXTS.compositionInvalid(JSON.stringify(next)));
    if (session.counts.components >= this.#options.actionsMax) return errorResult(TEXTS.compositionTooLong);
    const action = await this.#find(session, name);
    if (typeof action === 'string') return errorResult(action);
    const component = await this.#answer(
      session,
      this.#runComponent(this.#part(session, action, params), session.counts),
    );
    if ('failure' in component) return component;
    const { result } = component.record.response;
    return { result: typeof result === 'object' && result !== null ? result : {} };
  }

  /** The action, or why it cannot be run. */
  async #find({ call }: Session, name: EntityName): Promise<RunnableAction | string> {
    const { access, resolution } = this.#options;
    const shown = fullyQualifiedName(name);
    try {
      await access.requireAction(call.user, name);
    } catch {
      return TEXTS.compositionForbidden(shown);
    }
    return resolution.action(name).catch(() => TEXTS.compositionNotFound(shown));
  }

  async #runComponent(call: Call, counts: Counts): Promise<Invoked> {
    if (componentsOf(call.action) === undefined && isConductor(call.action))
      return finished(this.start(call, counts).record);
    counts.components += 1;
    if (componentsOf(call.action) !== undefined) return finished(this.#options.sequence(call));
    return this.#options.single(call);
  }

  #part({ call, activationId }: Session, action: RunnableAction, payload: Payload | undefined): Call {
    const transid = childOf(call.transid, this.#options.now());
    return { action, user: call.user, payload, transid, cause: activationId };
  }

  /** Waits for a part and adds it to the books. */
  async #answer(
    session: Session,
    part: Promise<Invoked>,
  ): Promise<{ record: Activation } | { failure: ActivationResponse }> {
    try {
      const { activationId, record } = await part;
      session.activationIds.push(activationId);
      if (record === undefined) return { failure: failure(STATUS.whiskError, TEXTS.compositionTimeout(activationId)) };
      session.durationMs += durationOf(record);
      session.memoryMb = largest(session.memoryMb, memoryOf(record));
      return { record };
    } catch (error) {
      const isKnown = asRestError(error).status !== 500;
      const reason = isKnown ? ` ${asRestError(error).message}` : '';
      return { failure: failure(STATUS.whiskError, `${TEXTS.compositionFailed}${reason}`) };
    }
  }
}

/** `{action, params, state}`; what is no object is put into one. */
function readStep(session: Session, result: unknown): Step {
  const { action, params, state } = (result ?? {}) as { action?: unknown; params?: unknown; state?: unknown };
  session.state = state === undefined ? {} : asObject(state, 'state');
  return { next: action, params: params === undefined ? undefined : asObject(params, 'value') };
}

const asObject = (value: unknown, name: string): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : { [name]: value };

const errorResult = (error: string): { result: object } => ({ result: { error } });

async function finished(record: Promise<Activation>): Promise<Invoked> {
  const { activationId } = await record;
  return { activationId, record: await record };
}
