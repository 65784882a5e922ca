/** Does what the pool decides: the only place that holds both the pool and the instances. */
import {
  type ActionManifest,
  type Activation,
  type ActivationResponse,
  errorMessage,
  type Logger,
  STATUS,
} from '@tetris/common';
import type { Answerer } from '../activations/answer';
import { type ActivationJob, groupKey, logFields, revisionKey } from '../activations/job';
import { errorResponse } from '../activations/reply';
import type { Runner } from '../activations/runner';
import { TEXTS } from '../activations/texts';
import type { InvokerMetrics } from '../metrics';
import type { InstanceSettings } from '../scaling/settings';
import type { ContainerFactory } from './container';
import { FunctionInstance } from './function-instance';
import type { GroupDescription } from './group';
import type { LogWaits } from './logs';
import type { Pool, PoolCommand, Refusal } from './pool';
import type { Registrar } from './registrar';

/** An activation on its way; answered exactly once. */
export interface Ticket {
  job: ActivationJob;
  group: GroupDescription;
  /** Containers that refused it. */
  refusals: number;
  /** Its slot is free. */
  done: () => void;
}

export interface InstanceManagerOptions {
  pool: Pool<Ticket>;
  factory: ContainerFactory;
  registrar: Registrar;
  runner: Runner;
  answerer: Answerer;
  settingsFor: (job: ActivationJob) => InstanceSettings;
  manifestOf: (revision: string) => ActionManifest | undefined;
  logWaits: LogWaits;
  env: Readonly<Record<string, string>>;
  metrics: InvokerMetrics;
  log: Logger;
  nowMs: () => number;
  /** An instance has answered an activation. */
  onUsed?: (instance: FunctionInstance) => void;
  /** Something that the status shows may have changed. */
  onChanged?: () => void;
}

/** Containers that may refuse one activation before it is answered as a crash. */
const REFUSALS_MAX = 3;

const MIB = 1024 ** 2;

const REFUSALS: Readonly<Record<Refusal, ActivationResponse>> = {
  'queue-full': errorResponse(STATUS.whiskError, 'The invoker has too many waiting activations.'),
  'waited-too-long': errorResponse(STATUS.whiskError, 'The invoker had no room for the action in time.'),
  stopping: errorResponse(STATUS.whiskError, 'The invoker is stopping.'),
  'never-fits': errorResponse(STATUS.applicationError, 'The action needs more memory than the invoker has.'),
};

export class InstanceManager {
  readonly #options: InstanceManagerOptions;
  readonly #instances = new Map<number, FunctionInstance>();
  /** What `/init` of an instance failed with, for those that waited for it. */
  readonly #initFailures = new Map<number, ActivationResponse>();
  #onEmpty: (() => void) | undefined;

  constructor(options: InstanceManagerOptions) {
    this.#options = options;
  }

  /** Living instances by the pool's id. */
  get instances(): ReadonlyMap<number, FunctionInstance> {
    return this.#instances;
  }

  /** Runs an activation; resolves when it is answered and its slot is free. Never rejects. */
  submit(job: ActivationJob): Promise<void> {
    const { pool, settingsFor, manifestOf, nowMs } = this.#options;
    const revision = revisionKey(job);
    const group: GroupDescription = {
      key: groupKey(job),
      revision,
      namespace: job.message.user.namespace.name,
      room: settingsFor(job).room,
      limitBytes: job.action.limits.memory * MIB,
      manifest: manifestOf(revision),
    };
    return new Promise((done) => {
      const ticket: Ticket = { job, group, refusals: 0, done };
      this.apply(pool.arrived(ticket, group, nowMs()));
    });
  }

  /** Does what the pool says. */
  apply(commands: readonly PoolCommand<Ticket>[]): void {
    this.#options.onChanged?.();
    for (const command of commands) {
      switch (command.do) {
        case 'start':
          this.#spawn(this.#start(command.instance, command.ticket), command.ticket);
          break;
        case 'run':
          this.#spawn(this.#run(command.instance, command.ticket, command.resume), command.ticket);
          break;
        case 'pause':
          void this.#instances.get(command.instance)?.pause();
          break;
        case 'end':
          this.#options.metrics.instanceEnds.inc({ reason: command.reason });
          void this.#destroy(command.instance);
          break;
        case 'refuse':
          this.#fail(command.ticket, REFUSALS[command.refusal]);
          break;
        case 'abort':
          this.#fail(command.ticket, this.#initFailures.get(command.instance) ?? abnormalInit());
          break;
      }
    }
  }

  /** Resolves when no instance lives any more. */
  async empty(): Promise<void> {
    if (this.#instances.size === 0) return;
    await new Promise<void>((resolve) => (this.#onEmpty = resolve));
  }

  async #start(id: number, ticket: Ticket): Promise<void> {
    const { pool, runner, nowMs, metrics, log } = this.#options;
    const instance = this.#instance(id, ticket.job);
    try {
      await instance.create();
    } catch (error) {
      log.error({ ...logFields(ticket.job.message), reason: errorMessage(error) }, 'container did not start');
      metrics.starts.inc({ outcome: 'failed' });
      this.apply(pool.initFailed(id, false, nowMs()));
      return this.#fail(ticket, errorResponse(STATUS.whiskError, TEXTS.provisionFailed));
    }
    void this.#watch(instance);
    this.apply(pool.created(id, nowMs()));
    const init = await runner.init(ticket.job, instance);
    if (init.ready) {
      metrics.starts.inc({ outcome: 'ready' });
      metrics.initSeconds.observe(init.initMs / 1000);
      this.apply(pool.initialised(id, nowMs()));
      return this.#run(id, ticket, false, init);
    }
    metrics.starts.inc({ outcome: 'init-failed' });
    this.#initFailures.set(id, init.response);
    this.apply(pool.initFailed(id, init.sameForAll, nowMs()));
    await this.#answer(ticket, instance, init.activation);
  }

  async #run(id: number, ticket: Ticket, resume: boolean, init?: { startMs: number; initMs: number }): Promise<void> {
    const { pool, runner, nowMs, onUsed } = this.#options;
    const instance = this.#instances.get(id);
    if (instance === undefined) return this.#again(id, ticket);
    if (resume) await instance.resume();
    const outcome = await runner.run(ticket.job, instance, resume, init);
    if (!outcome.seen) return this.#again(id, ticket);
    this.apply(pool.finished(id, ticket, outcome.broken, nowMs()));
    onUsed?.(instance);
    await this.#answer(ticket, instance, outcome.activation);
  }

  /** The instance was gone before the activation reached it. */
  #again(id: number, ticket: Ticket): void {
    const { pool, nowMs } = this.#options;
    ticket.refusals += 1;
    if (ticket.refusals < REFUSALS_MAX) {
      return this.apply(pool.returned(id, ticket, ticket.group, ticket.job.arrivedMs, nowMs()));
    }
    this.apply(pool.finished(id, ticket, true, nowMs()));
    this.#fail(ticket, errorResponse(STATUS.developerError, TEXTS.abnormalRun));
  }

  async #answer(ticket: Ticket, instance: FunctionInstance, activation: Activation): Promise<void> {
    const { answerer, runner, pool, nowMs, metrics } = this.#options;
    const { message } = ticket.job;
    metrics.activations.inc({ status: String(activation.response.statusCode) });
    metrics.runSeconds.observe((activation.duration ?? 0) / 1000);
    const logsEnded = await answerer.ran(message, activation, runner.logs(ticket.job, instance, activation));
    if (!logsEnded) this.apply(pool.failed(instance.id, nowMs()));
    ticket.done();
  }

  #fail(ticket: Ticket, response: ActivationResponse): void {
    const { answerer, metrics } = this.#options;
    metrics.activations.inc({ status: String(response.statusCode) });
    void answerer.failed(ticket.job.message, response).finally(ticket.done);
  }

  /** Nothing here may throw; if it does, the activation is answered all the same. */
  #spawn(work: Promise<void>, ticket: Ticket): void {
    work.catch((error: unknown) => {
      this.#options.log.error({ ...logFields(ticket.job.message), err: error }, 'activation failed inside the invoker');
      this.#fail(ticket, errorResponse(STATUS.whiskError, `The invoker failed: ${errorMessage(error)}`));
    });
  }

  #instance(id: number, job: ActivationJob): FunctionInstance {
    const { factory, registrar, logWaits, env, log, settingsFor } = this.#options;
    const instance = new FunctionInstance({
      id,
      action: job.action,
      namespace: job.message.user.namespace.name,
      revision: revisionKey(job),
      settings: settingsFor(job),
      factory,
      registrar,
      logWaits,
      env,
      log,
    });
    this.#instances.set(id, instance);
    return instance;
  }

  /** Removes the instance from the books when its container has ended, whoever ended it. */
  async #watch(instance: FunctionInstance): Promise<void> {
    await instance.ended();
    this.#forget(instance.id);
    await instance.release();
  }

  async #destroy(id: number): Promise<void> {
    const instance = this.#instances.get(id);
    try {
      await instance?.destroy();
    } catch (error) {
      this.#options.log.error({ instance: id, err: error }, 'container was not destroyed');
    }
    // Without a container there is nobody to watch.
    if (instance !== undefined && !instance.created) this.#forget(id);
  }

  #forget(id: number): void {
    const { pool, nowMs } = this.#options;
    this.#instances.delete(id);
    this.#initFailures.delete(id);
    this.apply(pool.ended(id, nowMs()));
    if (this.#instances.size === 0) this.#onEmpty?.();
  }
}

const abnormalInit = (): ActivationResponse => errorResponse(STATUS.developerError, TEXTS.abnormalInit);
