/** Does what the pool decides: the only place that holds both the pool and the instances. */
import {
  type ActionManifest,
  type Activation,
  type ActivationResponse,
  errorMessage,
  isOn,
  type Logger,
  objectiveClass,
  STATUS,
  TETRIS_KIND,
  type Tracer,
  valueOf,
  wrongAnnotations,
} from '@tetris/common';
import type { Answerer } from '../messages/answer';
import { type ActivationJob, groupKey, logFields, revisionKey } from '../messages/job';
import { errorResponse } from '../messages/reply';
import { answerSpan, ranSpans } from '../messages/spans';
import type { InitOutcome, Runner } from './runner';
import { TEXTS } from '../messages/texts';
import type { InvokerMetrics } from '../metrics';
import { type InstanceSettings, settingsAlone } from '../scaling/settings';
import type { ContainerFactory, InferenceReport } from '../sandboxes/container';
import { FunctionInstance } from './function-instance';
import type { GroupDescription } from './group';
import type { GrowthWatch } from './growth';
import type { IdleLevel } from './idle-level';
import type { LogWaits } from '../messages/logs';
import type { Pool, PoolCommand, Refusal } from './pool';
import type { Registrar } from './registrar';
import type { StemCellKeeper } from './stem-cell-keeper';

/** An activation on its way; answered exactly once. */
export interface Ticket {
  job: ActivationJob;
  group: GroupDescription;
  /** Containers that refused it. */
  refusals: number;
  /** It runs once more, alone, because its instance died of it or of another. */
  retried: boolean;
  /** Its slot is free. */
  done: () => void;
}

/** How an activation went, for whoever learns from it. */
export interface AnsweredRun {
  activation: Activation;
  /** What ran was an instance at work: not its first activation, whose duration has the loading of models in it. */
  settled: boolean;
  /** Whose instance answered. */
  group: string;
  /** Since the activation came to this node, ms. */
  tookMs: number;
  /** Activations the instance had when it got this one, itself included. */
  together: number;
  /** What the runtime says of its runs; undefined for one that says nothing, and where no model was run. */
  inference: InferenceReport | undefined;
}

export interface InstanceManagerOptions {
  pool: Pool<Ticket>;
  factory: ContainerFactory;
  registrar: Registrar;
  runner: Runner;
  answerer: Answerer;
  stemCells: StemCellKeeper;
  /** An activation has come: what its group's next instance is to be. */
  nextFor: (job: ActivationJob) => Pick<GroupDescription, 'settings' | 'coresMax'>;
  manifestOf: (revision: string) => ActionManifest | undefined;
  /** Told what instances use. */
  growth: GrowthWatch;
  logWaits: LogWaits;
  env: Readonly<Record<string, string>>;
  metrics: InvokerMetrics;
  tracer: Tracer;
  log: Logger;
  nowMs: () => number;
  /** An instance has answered an activation. */
  onUsed?: (instance: FunctionInstance, run: AnsweredRun) => void;
  /** An activation was refused before it reached an instance. */
  onRefused?: (group: GroupDescription, refusal: Refusal) => void;
  /** An instance that nobody waits for could not be made ready. */
  onWarmUpFailed?: (group: string) => void;
  /** Something that the status shows may have changed. */
  onChanged?: () => void;
  /** An instance is gone, and its leases with it. */
  onGone?: () => void;
}

/** Containers that may refuse one activation before it is answered as a crash. */
const REFUSALS_MAX = 3;

const MIB = 1024 ** 2;

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
    const { pool, nextFor, nowMs } = this.#options;
    const group = this.#describe(job, nextFor(job));
    return new Promise((done) => {
      const ticket: Ticket = { job, group, refusals: 0, retried: false, done };
      this.apply(pool.arrived(ticket, group, nowMs(), job.startedMs));
    });
  }

  /**
   * Starts one more instance of the job's group than anybody waits for, where memory is free. The job itself is not
   * run.
   */
  warmUp(job: ActivationJob, settings: InstanceSettings): void {
    const { pool, nowMs } = this.#options;
    const commands = pool.add(this.#describe(job, { settings }), nowMs());
    for (const command of commands) {
      if (command.do === 'warm-up') this.#startUnasked(command.instance, job, command.settings);
    }
    this.apply(commands);
  }

  /** Does what the pool says. */
  apply(commands: readonly PoolCommand<Ticket>[]): void {
    this.#options.onChanged?.();
    for (const command of commands) {
      switch (command.do) {
        case 'start':
          this.#spawn(this.#start(command.instance, command.ticket, command.settings), command.ticket);
          break;
        case 'warm-up':
          // Done by whoever asked for it, who has what it is made of.
          break;
        case 'start-beside':
          this.#startUnasked(command.instance, command.like.job, command.settings);
          break;
        case 'run':
          this.#spawn(this.#run(command.instance, command.ticket, command), command.ticket);
          break;
        case 'pause':
          void this.#instances.get(command.instance)?.pause();
          break;
        case 'rest':
          void this.#rest(command.instance, command.level);
          break;
        case 'end':
          this.#options.metrics.instanceEnds.inc({ reason: command.reason });
          void this.#destroy(command.instance);
          break;
        case 'refuse':
          this.#refuse(command);
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

  async #start(id: number, ticket: Ticket, settings: InstanceSettings): Promise<void> {
    const { pool, nowMs } = this.#options;
    const instance = this.#instance(id, ticket.job, settings);
    const init = await this.#ready(instance, ticket.job);
    if (init === undefined) {
      this.apply(pool.initFailed(id, false, nowMs()));
      return this.#fail(ticket, errorResponse(STATUS.whiskError, TEXTS.provisionFailed));
    }
    if (init.ready) {
      this.apply(pool.initialised(id, nowMs()));
      return this.#run(id, ticket, { resume: false, dueMs: ticket.job.startedMs + (settings.sloMs ?? Infinity) }, init);
    }
    this.#initFailures.set(id, init.response);
    this.apply(pool.initFailed(id, init.sameForAll, nowMs()));
    await this.#answer(ticket, instance, init.activation);
  }

  #startUnasked(id: number, job: ActivationJob, settings: InstanceSettings): void {
    const { pool, nowMs, log } = this.#options;
    this.#warmUp(id, job, settings).catch((error: unknown) => {
      log.error({ ...logFields(job.message), err: error }, 'start ahead of demand failed');
      this.apply(pool.initFailed(id, false, nowMs()));
    });
  }

  /** As {@link #start} without anybody to answer. */
  async #warmUp(id: number, job: ActivationJob, settings: InstanceSettings): Promise<void> {
    const { pool, nowMs, onWarmUpFailed, log } = this.#options;
    const instance = this.#instance(id, job, settings);
    const init = await this.#ready(instance, job);
    instance.logs.discard(job.message.activationId);
    if (init?.ready === true) return this.apply(pool.initialised(id, nowMs()));
    log.warn(logFields(job.message), 'an instance started ahead of demand was not ready');
    this.apply(pool.initFailed(id, false, nowMs()));
    onWarmUpFailed?.(groupKey(job));
  }

  /** Creates and initialises; undefined where there is no container. Never rejects. */
  async #ready(instance: FunctionInstance, job: ActivationJob): Promise<InitOutcome | undefined> {
    const { pool, runner, nowMs, metrics, log } = this.#options;
    try {
      await instance.create();
    } catch (error) {
      log.error({ ...logFields(job.message), reason: errorMessage(error) }, 'container did not start');
      metrics.starts.inc({ outcome: 'failed' });
      return undefined;
    }
    void this.#watch(instance);
    this.apply(pool.created(instance.id, nowMs()));
    const init = await runner.init(job, instance);
    metrics.starts.inc({ outcome: init.ready ? 'ready' : 'init-failed' });
    if (init.ready) metrics.initSeconds.observe(init.initMs / 1000);
    return init;
  }

  /** @param given what the pool says of it */
  async #run(
    id: number,
    ticket: Ticket,
    given: { resume: boolean; dueMs: number },
    init?: { startMs: number; initMs: number },
  ): Promise<void> {
    const { pool, runner, growth, nowMs, metrics, onUsed } = this.#options;
    const instance = this.#instances.get(id);
    if (instance === undefined) return this.#again(id, ticket);
    metrics.waitSeconds.observe((nowMs() - ticket.job.arrivedMs) / 1000);
    const settled = instance.answered > 0;
    const together = (instance.running += 1);
    const woken = await this.#woken(instance, ticket.job);
    if (woken !== undefined && (woken === 'not-started' || !woken.ready)) {
      instance.running -= 1;
      return this.#notWoken(instance, ticket, woken);
    }
    if (given.resume && woken === undefined) await instance.resume();
    const outcome = await runner.run(ticket.job, instance, given, init ?? woken);
    instance.running -= 1;
    if (!outcome.seen) return this.#again(id, ticket);
    instance.answered += 1;
    if (growth.excess(id) > 0) this.#replaceGrown(instance, ticket.job);
    this.apply(pool.finished(id, ticket, outcome.broken, nowMs(), outcome.inference));
    if (outcome.innocent && !ticket.retried && mayRetry(ticket.job)) return this.#retry(ticket, instance);
    this.#observe(outcome.inference);
    const { job, group } = ticket;
    onUsed?.(instance, {
      activation: outcome.activation,
      settled,
      group: group.key,
      tookMs: nowMs() - job.arrivedMs,
      together,
      inference: outcome.inference,
    });
    for (const span of ranSpans(job, outcome.activation, outcome.inference)) this.#options.tracer.record(span);
    await this.#answer(ticket, instance, outcome.activation);
  }

  async #notWoken(
    instance: FunctionInstance,
    ticket: Ticket,
    outcome: 'not-started' | Extract<InitOutcome, { ready: false }>,
  ): Promise<void> {
    const { pool, nowMs } = this.#options;
    if (outcome === 'not-started') return this.#again(instance.id, ticket);
    this.apply(pool.finished(instance.id, ticket, true, nowMs()));
    await this.#answer(ticket, instance, outcome.activation);
  }

  /** The next one starts first, where memory is free, so that no request waits; else it is tried again. */
  #replaceGrown(instance: FunctionInstance, job: ActivationJob): void {
    const { pool, growth, nowMs, log } = this.#options;
    const commands = pool.replace(instance.id, nowMs());
    for (const command of commands) {
      if (command.do !== 'warm-up') continue;
      const fields = { ...logFields(job.message), grownBytes: growth.excess(instance.id) };
      log.warn(fields, 'instance is replaced: its private memory has grown');
      this.#startUnasked(command.instance, job, command.settings);
    }
    this.apply(commands);
  }

  async #rest(id: number, level: IdleLevel): Promise<void> {
    const { pool, metrics, nowMs } = this.#options;
    const rested = await this.#instances.get(id)?.rest(level);
    if (rested === undefined) return;
    metrics.rests.inc({ level });
    metrics.restFreedBytes.inc(Math.max(0, rested.beforeBytes - rested.afterBytes));
    this.apply(pool.measured(undefined, new Map([[id, rested.afterBytes]]), nowMs()));
  }

  /**
   * Starts an instance whose process has ended anew, and initializes it. @returns undefined where it had not; never
   * rejects
   */
  async #woken(instance: FunctionInstance, job: ActivationJob): Promise<InitOutcome | 'not-started' | undefined> {
    try {
      if (!(await instance.wake())) return undefined;
    } catch (error) {
      this.#options.log.error(
        { ...logFields(job.message), reason: errorMessage(error) },
        'instance was not started anew',
      );
      return 'not-started';
    }
    return this.#options.runner.init(job, instance);
  }

  /** Of the activations that were executed together one counts the execution. */
  #observe(inference: InferenceReport | undefined): void {
    const { batchSize, inferenceSeconds, inferenceWaitSeconds } = this.#options.metrics;
    if (inference === undefined) return;
    inferenceWaitSeconds.observe(inference.waitedMs / 1000);
    if (inference.requests === 0) return;
    batchSize.observe(inference.requests);
    inferenceSeconds.observe(inference.executionMs / 1000);
  }

  /** The instance was gone before the activation reached it. */
  #again(id: number, ticket: Ticket): void {
    const { pool, nowMs } = this.#options;
    ticket.refusals += 1;
    if (ticket.refusals < REFUSALS_MAX) {
      return this.apply(pool.returned(id, ticket, ticket.group, ticket.job, nowMs()));
    }
    this.apply(pool.finished(id, ticket, true, nowMs()));
    this.#fail(ticket, errorResponse(STATUS.developerError, TEXTS.abnormalRun));
  }

  /**
   * In a group of its own, whose instances take one activation each: one that kills its instance then kills no other.
   */
  #retry(ticket: Ticket, instance: FunctionInstance): void {
    const { pool, nowMs, metrics, log } = this.#options;
    const { job } = ticket;
    instance.logs.discard(job.message.activationId);
    metrics.retries.inc();
    log.info(logFields(job.message), 'activation is run once more: its instance died while it had others');
    const { key, settings } = ticket.group;
    const group = { ...ticket.group, key: `${key} alone`, settings: settingsAlone(settings) };
    this.apply(pool.arrived({ ...ticket, group, refusals: 0, retried: true }, group, nowMs(), job.startedMs));
  }

  async #answer(ticket: Ticket, instance: FunctionInstance, activation: Activation): Promise<void> {
    const { answerer, runner, pool, nowMs, metrics } = this.#options;
    const { message } = ticket.job;
    this.#count(ticket, activation.response.statusCode);
    metrics.runSeconds.observe((activation.duration ?? 0) / 1000);
    const logsEnded = await answerer.ran(message, activation, runner.logs(ticket.job, instance, activation));
    if (!logsEnded) this.apply(pool.failed(instance.id, nowMs()));
    ticket.done();
  }

  #fail(ticket: Ticket, response: ActivationResponse): void {
    const { answerer } = this.#options;
    this.#count(ticket, response.statusCode);
    void answerer.failed(ticket.job.message, response).finally(ticket.done);
  }

  #refuse({ ticket, refusal, missingBytes }: Extract<PoolCommand<Ticket>, { do: 'refuse' }>): void {
    const { answerer, metrics, pool, onRefused } = this.#options;
    const response = refusalResponse(refusal, missingBytes, pool.memory.budgetBytes);
    metrics.refusals.inc({ reason: refusal });
    this.#count(ticket, response.statusCode);
    onRefused?.(ticket.group, refusal);
    void answerer.refused(ticket.job.message, response).finally(ticket.done);
  }

  /** An answer is ready. What the action itself refuses (1, 2) has been served in time or not, like any other. */
  #count({ job, group }: Ticket, statusCode: number): void {
    const { metrics, tracer, nowMs } = this.#options;
    const { sloMs } = group.settings;
    tracer.record(answerSpan(job, nowMs(), statusCode === STATUS.whiskError ? 'not served' : undefined));
    metrics.activations.inc({ status: String(statusCode) });
    if (sloMs === undefined) return;
    const inTime = nowMs() - job.startedMs <= sloMs;
    const outcome = statusCode === STATUS.whiskError ? 'failed' : inTime ? 'in-time' : 'late';
    metrics.objectives.inc({ class: objectiveClass(sloMs), outcome });
  }

  /** Nothing here may throw; if it does, the activation is answered all the same. */
  #spawn(work: Promise<void>, ticket: Ticket): void {
    work.catch((error: unknown) => {
      this.#options.log.error({ ...logFields(ticket.job.message), err: error }, 'activation failed inside the invoker');
      this.#fail(ticket, errorResponse(STATUS.whiskError, `The invoker failed: ${errorMessage(error)}`));
    });
  }

  #describe(job: ActivationJob, next: Pick<GroupDescription, 'settings' | 'coresMax'>): GroupDescription {
    const revision = revisionKey(job);
    return {
      key: groupKey(job),
      revision,
      namespace: job.message.user.namespace.name,
      limitBytes: job.action.limits.memory * MIB,
      manifest: this.#options.manifestOf(revision),
      ...next,
    };
  }

  #instance(id: number, job: ActivationJob, settings: InstanceSettings): FunctionInstance {
    const { factory, registrar, stemCells, logWaits, env, metrics, log } = this.#options;
    // A stock controller stores any value; here a wrong one is taken for none.
    for (const wrong of wrongAnnotations(job.action.annotations, job.action.exec.kind)) {
      log.warn({ ...logFields(job.message), reason: wrong }, 'annotation is ignored');
    }
    const revision = revisionKey(job);
    const manifest = this.#options.manifestOf(revision);
    const instance = new FunctionInstance({
      id,
      action: job.action,
      namespace: job.message.user.namespace.name,
      revision,
      settings,
      factory,
      registrar,
      takeCell: (kind) => stemCells.take(kind),
      models: () => this.#options.manifestOf(revision)?.models ?? [],
      expectedBytes: manifest?.privateBytes,
      logWaits,
      env,
      onStage: (stage, ms) => metrics.startStageSeconds.observe({ stage }, ms / 1000),
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
    this.#options.onGone?.();
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
    this.#options.growth.forget(id);
    this.apply(pool.ended(id, nowMs()));
    if (this.#instances.size === 0) this.#onEmpty?.();
  }
}

/** Its author says that it may run twice; off by default, since it may have had effects. */
const mayRetry = ({ action }: ActivationJob): boolean =>
  action.exec.kind === TETRIS_KIND && isOn(valueOf(action.annotations, 'tetris-retry'));

function refusalResponse(refusal: Refusal, missingBytes: number, budgetBytes: number): ActivationResponse {
  switch (refusal) {
    case 'queue-full':
      return errorResponse(STATUS.whiskError, TEXTS.queueFull);
    case 'waited-too-long':
      return errorResponse(STATUS.whiskError, TEXTS.waitedTooLong(missingBytes, budgetBytes));
    case 'stopping':
      return errorResponse(STATUS.whiskError, TEXTS.stopping);
    case 'never-fits':
      return errorResponse(STATUS.applicationError, TEXTS.neverFits(missingBytes, budgetBytes));
  }
}

const abnormalInit = (): ActivationResponse => errorResponse(STATUS.developerError, TEXTS.abnormalInit);
