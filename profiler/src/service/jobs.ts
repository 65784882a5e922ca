/** Runs jobs one after the other: two at once would measure each other. What was under way goes on after a restart. */
import { randomUUID } from 'node:crypto';
import { errorMessage, PluginError } from '@tetris/common';
import type { ModelProfile } from '@tetris/invoker-extension';
import { isOver, type Job, type JobSpec } from './job';
import type { Journal } from './journal';

/** What a job came to. */
export interface JobResult {
  profile: ModelProfile;
  measured: number;
}

export interface JobsOptions {
  journal: Pick<Journal, 'load' | 'save' | 'remove'>;
  /** Does a job's work; `change` tells how far it is. */
  run: (job: Job, change: (news: Partial<Job>) => void, signal: AbortSignal) => Promise<JobResult>;
  /** Kept, those that are over included; the oldest of these leave. */
  jobsMax: number;
  nowMs: () => number;
}

export class Jobs {
  readonly #options: JobsOptions;
  #jobs: Job[];
  #running: { id: string; abort: AbortController; ended: Promise<void> } | undefined;
  #stopping = false;

  /** What the journal has as running was killed in the middle: it waits again. */
  constructor(options: JobsOptions) {
    this.#options = options;
    this.#jobs = options.journal.load().map((job) => (job.state === 'running' ? { ...job, state: 'queued' } : job));
  }

  /** Newest first. */
  list(): readonly Job[] {
    return this.#jobs;
  }

  get(id: string): Job | undefined {
    return this.#jobs.find((job) => job.id === id);
  }

  /** @throws PluginError `ERR_QUEUE_FULL` where too many wait */
  submit(spec: JobSpec): Job {
    this.#makeRoom();
    const job: Job = { id: randomUUID(), spec, state: 'queued', createdMs: this.#options.nowMs() };
    this.#jobs = [job, ...this.#jobs];
    this.#options.journal.save(job);
    this.start();
    return job;
  }

  /** Ends one that is not over, forgets one that is. What was measured stays in the archive. */
  remove(id: string): void {
    const job = this.get(id);
    if (job === undefined) return;
    if (!isOver(job)) this.#change(id, { state: 'cancelled', endedMs: this.#options.nowMs() });
    else {
      this.#jobs = this.#jobs.filter((other) => other.id !== id);
      this.#options.journal.remove(id);
    }
    if (this.#running?.id === id) this.#running.abort.abort();
  }

  /** Begins with the one that has waited longest, where none runs. */
  start(): void {
    if (this.#running !== undefined || this.#stopping) return;
    const next = this.#jobs.findLast(({ state }) => state === 'queued');
    if (next === undefined) return;
    const abort = new AbortController();
    this.#running = { id: next.id, abort, ended: this.#work(next.id, abort.signal) };
  }

  /** Ends what runs; in the journal it stays as running, so that the next start goes on with it. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#running?.abort.abort();
    await this.#running?.ended;
  }

  async #work(id: string, signal: AbortSignal): Promise<void> {
    // Not before the caller knows that it runs.
    await Promise.resolve();
    const job = this.#change(id, { state: 'running' });
    const outcome = await this.#outcome(job, signal);
    if (!this.#stopping && this.get(id)?.state === 'running') {
      this.#change(id, { ...outcome, endedMs: this.#options.nowMs() });
    }
    this.#running = undefined;
    this.start();
  }

  async #outcome(job: Job, signal: AbortSignal): Promise<Partial<Job>> {
    try {
      const { profile, measured } = await this.#options.run(job, (news) => this.#change(job.id, news), signal);
      const { name, sha256, bytes } = profile;
      return { state: 'done', measured, model: { name, sha256, bytes } };
    } catch (error) {
      return { state: 'failed', error: errorMessage(error) };
    }
  }

  #change(id: string, news: Partial<Job>): Job {
    const job = this.get(id);
    if (job === undefined) throw new PluginError('ERR_INTERNAL', `there is no job ${id}`);
    const changed = { ...job, ...news };
    this.#jobs = this.#jobs.map((other) => (other.id === id ? changed : other));
    this.#options.journal.save(changed);
    return changed;
  }

  #makeRoom(): void {
    if (this.#jobs.length < this.#options.jobsMax) return;
    const oldest = this.#jobs.findLast(isOver);
    if (oldest === undefined) {
      throw new PluginError('ERR_QUEUE_FULL', `${this.#jobs.length} profiles wait already; cancel one`, {
        retriable: true,
      });
    }
    this.remove(oldest.id);
  }
}
