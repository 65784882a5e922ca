/**
 * From the invoker's topic to the pool: each message is read, judged and handed on or answered. An activation that
 * comes twice is taken once: who could not learn whether the broker has its message sends it again.
 */
import { LRUCache } from 'lru-cache';
import {
  type ActivationMessage,
  errorMessage,
  HandledPositions,
  type Logger,
  readActivationMessage,
  transactionStartMs,
} from '@tetris/common';
import type { InvokerMetrics } from '../metrics';
import type { Answerer } from './answer';
import { type IntakeOptions, takeIn } from './intake';
import { type ActivationJob, logFields } from './job';

export interface ActivationFeedOptions {
  intake: IntakeOptions;
  answerer: Answerer;
  /** Runs a job; resolves when it is answered and its slot is free. In the status' books as soon as it returns. */
  submit: (job: ActivationJob) => Promise<void>;
  /** What has to be known of a job before it is submitted. */
  prepare: (job: ActivationJob) => Promise<void>;
  /** Activations whose ids are remembered. */
  recentMax: number;
  metrics: Pick<InvokerMetrics, 'malformed' | 'repeated'>;
  log: Logger;
  nowMs: () => number;
}

export class ActivationFeed {
  readonly #options: ActivationFeedOptions;
  /** Activations taken and not finished, by when their transactions started (epoch ms). */
  readonly #taken = new Set<{ startMs: number }>();
  readonly #positions = new HandledPositions();
  readonly #recent: LRUCache<string, true>;
  #readUpTo: number | undefined;

  constructor(options: ActivationFeedOptions) {
    this.#options = options;
    this.#recent = new LRUCache({ max: options.recentMax });
  }

  /** The topic's offset up to which the status knows of every message; undefined before the first. */
  get readUpTo(): number | undefined {
    return this.#readUpTo;
  }

  /** When the oldest transaction among the unfinished activations started, epoch ms. */
  get oldestStartMs(): number | null {
    return this.#taken.size === 0 ? null : Math.min(...[...this.#taken].map(({ startMs }) => startMs));
  }

  /** One message from the topic; holds one unit of the subscription's capacity until its slot is free. */
  async handle(value: Buffer, position: number | undefined): Promise<void> {
    if (position !== undefined) this.#positions.handedOut(BigInt(position));
    const message = this.#read(value);
    if (message === undefined || this.#isRepeated(message)) return this.#inBooks(position);
    const taken = { startMs: transactionStartMs(message.transid, this.#options.nowMs()) };
    this.#taken.add(taken);
    try {
      await this.#answer(message, position);
    } finally {
      this.#inBooks(position);
      this.#taken.delete(taken);
    }
  }

  /** From now on the status knows of this message: it is with the pool, or answered. */
  #inBooks(position: number | undefined): void {
    if (position === undefined) return;
    this.#positions.handled(BigInt(position));
    const upTo = this.#positions.take();
    if (upTo !== undefined) this.#readUpTo = Number(upTo);
  }

  async #answer(message: ActivationMessage, position: number | undefined): Promise<void> {
    const { answerer, log } = this.#options;
    const intake = await takeIn(message, this.#options.intake);
    switch (intake.outcome) {
      case 'job': {
        await this.#options.prepare(intake.job);
        const answered = this.#options.submit(intake.job);
        this.#inBooks(position);
        return answered;
      }
      case 'failed':
        log.info({ ...logFields(message), response: intake.response }, 'activation not run');
        return answerer.failed(message, intake.response);
      case 'ignored':
        return answerer.ignored(message, intake.response);
      case 'healthy':
        return answerer.healthy(message);
    }
  }

  #isRepeated(message: ActivationMessage): boolean {
    const { metrics, log } = this.#options;
    if (this.#recent.has(message.activationId)) {
      metrics.repeated.inc();
      log.info(logFields(message), 'activation came twice: it is taken already');
      return true;
    }
    this.#recent.set(message.activationId, true);
    return false;
  }

  /** A malformed message is logged and dropped: there is nobody to answer. */
  #read(value: Buffer): ActivationMessage | undefined {
    const { metrics, log } = this.#options;
    try {
      return readActivationMessage(value);
    } catch (error) {
      metrics.malformed.inc();
      log.error({ reason: errorMessage(error) }, 'malformed message dropped');
      return undefined;
    }
  }
}
