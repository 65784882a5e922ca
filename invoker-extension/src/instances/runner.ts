/** Runs one activation in one instance: `/init` where needed, `/run`, and what their replies mean. */
import {
  type Activation,
  type ActivationResponse,
  type SpanName,
  STATUS,
  TETRIS_KIND,
  type Tracer,
  traceparentOf,
} from '@tetris/common';
import type { ContainerReply, InferenceReport } from '../sandboxes/container';
import type { FunctionInstance } from './function-instance';
import type { CollectedLogs } from '../messages/logs';
import type { ActivationJob } from '../messages/job';
import { ranRecord, type Span } from '../messages/record';
import { classifyInit, classifyRun, isCrash, type ReplyLimits } from '../messages/reply';
import { initBody, runBody } from '../messages/requests';
import { TEXTS } from '../messages/texts';

export interface RunnerOptions {
  /** Longest reply, bytes, and how much of a longer one is shown. Stock: 1 MiB both. */
  replyBytesMax: number;
  truncationBytes: number;
  nowMs: () => number;
  tracer: Pick<Tracer, 'traces'>;
}

/** `/init` went well, or what it was answered with. */
export type InitOutcome =
  | { ready: true; startMs: number; initMs: number }
  | { ready: false; response: ActivationResponse; activation: Activation; sameForAll: boolean };

export type RunOutcome =
  /** The container has not seen the request: another may have it. */
  | { seen: false }
  /** `innocent`: it may have died of another activation. */
  | {
      seen: true;
      activation: Activation;
      broken: boolean;
      innocent: boolean;
      inference: InferenceReport | undefined;
    };

/** A runtime that answers so is on its way out; only legal just after a resume. */
const SHUTTING_DOWN = 503;

export class Runner {
  readonly #options: RunnerOptions;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  async init(job: ActivationJob, instance: FunctionInstance): Promise<InitOutcome> {
    const { nowMs } = this.#options;
    const limits = this.#limits(job);
    const startMs = nowMs();
    instance.startedMs = startMs;
    instance.logs.open(job.message.activationId, job.action.limits.logs);
    const body = initBody(job, instance.settings, startMs + limits.timeoutMs, instance.answered > 0);
    const reply = await instance.post('/init', body, { ...limits, ...this.#part(job, 'runtime init') });
    const response = classifyInit(reply, limits);
    const initMs = nowMs() - startMs;
    if (response === undefined) return { ready: true, startMs, initMs };
    const span: Span = { startMs, endMs: startMs + initMs, initMs };
    const execution = { instanceAgeMs: initMs, sloMs: instance.settings.sloMs };
    const activation = ranRecord(job, { response, span, timedOut: reply.outcome === 'timeout', execution });
    const sameForAll = reply.outcome === 'answered' || reply.outcome === 'timeout';
    return { ready: false, response, activation, sameForAll };
  }

  /**
   * @param given `resume`: the instance was frozen until now; `dueMs`: by when it should answer, epoch ms
   * @param init of a cold start, which the duration includes
   */
  async run(
    job: ActivationJob,
    instance: FunctionInstance,
    { resume, dueMs }: { resume: boolean; dueMs: number },
    init?: { startMs: number; initMs: number },
  ): Promise<RunOutcome> {
    const { nowMs } = this.#options;
    const limits = this.#limits(job);
    if (init === undefined) instance.logs.open(job.message.activationId, job.action.limits.logs);
    const runStartMs = nowMs();
    const due = Number.isFinite(dueMs) && { dueMs: Math.floor(dueMs) };
    const options = { ...limits, ...due, ...this.#part(job, 'runtime run') };
    const reply = await instance.post('/run', runBody(job, runStartMs + limits.timeoutMs), options);
    if (isUnseen(reply, resume) && init === undefined) {
      instance.logs.discard(job.message.activationId);
      return { seen: false };
    }
    const others = isCrash(reply) ? instance.othersAtCrash() : 0;
    const company = others > 0 ? TEXTS.inCompany(others, job.action.exec.kind === TETRIS_KIND) : '';
    const response = classifyRun(reply, limits, company);
    const startMs = init === undefined ? runStartMs : runStartMs - init.initMs;
    const span: Span = { startMs, endMs: nowMs(), ...(init === undefined ? {} : { initMs: init.initMs }) };
    const inference = reply.outcome === 'answered' ? reply.inference : undefined;
    const execution = {
      instanceAgeMs: runStartMs - (instance.startedMs ?? runStartMs),
      sloMs: instance.settings.sloMs,
      inference,
    };
    const activation = ranRecord(job, { response, span, timedOut: reply.outcome === 'timeout', execution });
    return { seen: true, activation, broken: isBroken(response), innocent: others > 0, inference };
  }

  /** The activation's lines, undefined where its log limit is 0. Call it once. */
  logs(job: ActivationJob, instance: FunctionInstance, { response }: Activation): Promise<CollectedLogs> | undefined {
    const collected = instance.logs.close(
      job.message.activationId,
      job.action.limits.logs > 0 && response.statusCode !== STATUS.developerError,
      this.#options.nowMs,
    );
    return job.action.limits.logs > 0 ? collected : undefined;
  }

  /** Tells the instance of whose span its work is part. */
  #part({ message: { activationId } }: ActivationJob, name: SpanName): { traceparent?: string } {
    return this.#options.tracer.traces(activationId) ? { traceparent: traceparentOf(activationId, name) } : {};
  }

  #limits(job: ActivationJob): ReplyLimits {
    const { replyBytesMax, truncationBytes } = this.#options;
    return { timeoutMs: job.action.limits.timeout, replyBytesMax, truncationBytes };
  }
}

function isUnseen(reply: ContainerReply, resumed: boolean): boolean {
  if (reply.outcome === 'gone') return !reply.reached;
  return reply.outcome === 'answered' && reply.status === SHUTTING_DOWN && resumed;
}

/** After status 2 or 3 a container takes no more. */
const isBroken = ({ statusCode }: ActivationResponse): boolean =>
  statusCode === STATUS.developerError || statusCode === STATUS.whiskError;
