/** Jobs on disk, one file each, so that they outlive the process. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage } from '@tetris/common';
import { type Job, JobSchema } from './job';
import { PART, removeParts } from './parts';
import { problemsOf } from './problems';

const FILE = /^[\w-]{8,64}\.json$/;

export class Journal {
  readonly #folder: string;
  readonly #onDamaged: (path: string, reason: string) => void;

  /**
   * @param folder made where it is missing; of one service alone
   * @param onDamaged hears of files that have the name of a job's and hold none: they stay, and are passed over
   */
  constructor(folder: string, onDamaged: (path: string, reason: string) => void) {
    this.#folder = folder;
    this.#onDamaged = onDamaged;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    removeParts(folder);
  }

  /** The newest first. */
  load(): Job[] {
    const jobs = readdirSync(this.#folder)
      .filter((name) => FILE.test(name))
      .flatMap((name) => this.#read(name) ?? []);
    return jobs.sort((one, other) => other.createdMs - one.createdMs);
  }

  /** Whole or not at all, whenever the process is killed. */
  save(job: Job): void {
    const path = this.#path(job.id);
    writeFileSync(`${path}${PART}`, JSON.stringify(job), { flush: true });
    renameSync(`${path}${PART}`, path);
  }

  remove(id: string): void {
    rmSync(this.#path(id), { force: true });
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  #read(name: string): Job | undefined {
    const path = join(this.#folder, name);
    try {
      const { data: job, error } = JobSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
      if (job !== undefined && this.#path(job.id) === path) return job;
      this.#onDamaged(path, error === undefined ? 'it holds a job of another name' : problemsOf(error, 'it'));
    } catch (error) {
      this.#onDamaged(path, errorMessage(error));
    }
    return undefined;
  }
}
