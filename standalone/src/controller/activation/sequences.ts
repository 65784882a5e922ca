import {
  type Activation,
  type EntityName,
  errorMessage,
  isPluginError,
  type Logger,
  newActivationId,
  STATUS,
} from '@tetris/common';
import { componentsOf } from '../entities/actions';
import type { Resolution } from '../resolution';
import { TEXTS } from '../texts';
import { compositeRecord, failure } from './composite-record';
import { type Call, childOf } from './message';
import { type Accounting, answered, begin, failed, nextPayload } from './sequence-accounting';
import type { Invoked } from './single-actions';

export interface SequencesOptions {
  resolution: Resolution;
  /** Runs what is no sequence to its end. */
  run: (call: Call) => Promise<Invoked>;
  /** Keeps a record where its namespace wants records. */
  store: (call: Call, record: Activation) => void;
  /** Actions in a sequence, those of sequences in it included. */
  actionsMax: number;
  log: Logger;
  /** Epoch ms. */
  now: () => number;
}

/** A run that knows its id from the start. */
export interface Started {
  activationId: string;
  /** Never rejects: what goes wrong is in the record. */
  record: Promise<Activation>;
}

/**
 * Sequences: each component gets the result of the one before. Source: `K/controller/actions/SequenceActions.scala`.
 */
export class Sequences {
  readonly #options: SequencesOptions;

  constructor(options: SequencesOptions) {
    this.#options = options;
  }

  start(call: Call): Started {
    const activationId = newActivationId();
    return { activationId, record: this.#run(call, activationId, 0).then(({ record }) => record) };
  }

  async #run(call: Call, activationId: string, count: number): Promise<{ record: Activation; atomicCount: number }> {
    const { now, store } = this.#options;
    const startMs = now();
    const accounting = await this.#runComponents(call, activationId, count);
    const record = compositeRecord({ call, activationId, startMs, endMs: now(), ...accounting });
    store(call, record);
    return { record, atomicCount: accounting.atomicCount };
  }

  async #runComponents(call: Call, activationId: string, count: number): Promise<Accounting> {
    let accounting = begin(call.payload, count);
    for (const component of componentsOf(call.action) ?? []) {
      accounting = await this.#runNext(call, component, activationId, accounting);
      if (accounting.isOver) break;
    }
    return accounting;
  }

  async #runNext({ user, transid }: Call, name: EntityName, cause: string, before: Accounting): Promise<Accounting> {
    const { resolution, actionsMax, now, log } = this.#options;
    if (before.atomicCount >= actionsMax) {
      return failed(before, failure(STATUS.applicationError, TEXTS.sequenceTooLong));
    }
    try {
      const action = await resolution.action(name);
      const call = { action, user, payload: nextPayload(before), transid: childOf(transid, now()), cause };
      return await this.#runComponent(call, before);
    } catch (error) {
      if (isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) {
        return failed(before, failure(STATUS.applicationError, TEXTS.componentNotFound));
      }
      log.error({ activationId: cause, reason: errorMessage(error) }, 'component of a sequence failed');
      return failed(before, failure(STATUS.whiskError, TEXTS.sequenceFailed));
    }
  }

  async #runComponent(call: Call, before: Accounting): Promise<Accounting> {
    const { actionsMax, run } = this.#options;
    if (componentsOf(call.action) !== undefined) {
      const { record, atomicCount } = await this.#run(call, newActivationId(), before.atomicCount);
      return answered(before, record, atomicCount, actionsMax);
    }
    const { activationId, record } = await run(call);
    if (record !== undefined) return answered(before, record, before.atomicCount + 1, actionsMax);
    return failed(before, failure(STATUS.whiskError, TEXTS.componentTimeout(activationId)), activationId);
  }
}
