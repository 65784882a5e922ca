/** Jobs on disk, one file each, so that they outlive the process. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Job, JobSchema } from './job';

const FILE = /^[\w-]{8,64}\.json$/;

export class Journal {
  readonly #folder: string;

  /** @param folder made where it is missing; of one service alone */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** The newest first; a file that is none of ours is passed over. */
  load(): Job[] {
    const jobs = readdirSync(this.#folder)
      .filter((name) => FILE.test(name))
      .flatMap((name) => this.#read(name) ?? []);
    return jobs.sort((one, other) => other.createdMs - one.createdMs);
  }

  /** Whole or not at all, whenever the process is killed. */
  save(job: Job): void {
    const path = join(this.#folder, `${job.id}.json`);
    writeFileSync(`${path}.part`, JSON.stringify(job), { flush: true });
    renameSync(`${path}.part`, path);
  }

  remove(id: string): void {
    rmSync(join(this.#folder, `${id}.json`), { force: true });
  }

  #read(name: string): Job | undefined {
    try {
      return JobSchema.safeParse(JSON.parse(readFileSync(join(this.#folder, name), 'utf8'))).data;
    } catch {
      return undefined;
    }
  }
}
