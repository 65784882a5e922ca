import type { ModelProfile } from '../../../../invoker-extension/src';
import type { Job } from '../../../../profiler/src/service/job';
import { type JobResult, Jobs } from '../../../../profiler/src/service/jobs';
import { aJob, SPEC } from './a-job';

const PROFILE = { name: 'tiny', sha256: 'a'.repeat(64), bytes: 5 } as ModelProfile;

/** Runs of jobs that end when the test says so, and a journal in memory. */
class Bench {
  readonly saved = new Map<string, Job>();
  readonly runs: {
    job: Job;
    change: (news: Partial<Job>) => void;
    signal: AbortSignal;
    end: (result: JobResult) => void;
    fail: (error: Error) => void;
  }[] = [];
  nowMs = 100;

  jobs(jobsMax = 10): Jobs {
    return new Jobs({
      journal: {
        load: () => [...this.saved.values()].sort((one, other) => other.createdMs - one.createdMs),
        save: (job) => this.saved.set(job.id, job),
        remove: (id) => this.saved.delete(id),
      },
      run: async (job, change, signal) =>
        new Promise<JobResult>((end, fail) => {
          this.runs.push({ job, change, signal, end, fail });
          signal.addEventListener('abort', () => fail(new Error('aborted')));
        }),
      jobsMax,
      nowMs: () => (this.nowMs += 1),
    });
  }

  get states(): string[] {
    return [...this.saved.values()].map(({ state }) => state);
  }
}

const settled = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('jobs of the profiling service', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });

  it('run one at a time, the one that has waited longest first', async () => {
    const jobs = bench.jobs();
    const [first, second, third] = [jobs.submit(SPEC), jobs.submit(SPEC), jobs.submit(SPEC)];
    await settled();
    expect(bench.runs.map(({ job }) => job.id)).toEqual([first.id]);
    bench.runs[0]?.end({ profile: PROFILE, measured: 4 });
    await settled();
    expect(jobs.get(first.id)).toMatchObject({ state: 'done', measured: 4, model: { name: 'tiny', bytes: 5 } });
    expect(bench.runs.map(({ job }) => job.id)).toEqual([first.id, second.id]);
    expect(jobs.list().map(({ id, state }) => [id, state])).toEqual([
      [third.id, 'queued'],
      [second.id, 'running'],
      [first.id, 'done'],
    ]);
  });

  it('keep in the journal how far they are, and why they failed', async () => {
    const jobs = bench.jobs();
    const { id } = jobs.submit(SPEC);
    await settled();
    bench.runs[0]?.change({ progress: { done: 1, total: 3, point: 'plain b=1' } });
    expect(bench.saved.get(id)).toMatchObject({ state: 'running', progress: { done: 1, total: 3 } });
    bench.runs[0]?.fail(new Error('this is no ONNX model'));
    await settled();
    expect(bench.saved.get(id)).toMatchObject({ state: 'failed', error: 'this is no ONNX model', endedMs: 102 });
  });

  it('go on after a kill: what was running waits again, and begins', async () => {
    bench.saved.set('job-00001', aJob({ state: 'running', progress: { done: 2, total: 3, point: 'plain b=2' } }));
    const jobs = bench.jobs();
    expect(jobs.list().map(({ state }) => state)).toEqual(['queued']);
    jobs.start();
    await settled();
    expect(bench.runs.map(({ job }) => job.id)).toEqual(['job-00001']);
  });

  it('are still running in the journal when the service stops', async () => {
    const jobs = bench.jobs();
    jobs.submit(SPEC);
    await settled();
    await jobs.stop();
    expect(bench.runs[0]?.signal.aborted).toBe(true);
    expect(bench.states).toEqual(['running']);
    jobs.start();
    expect(bench.runs).toHaveLength(1);
  });

  it('are cancelled while they wait and while they run, and forgotten when they are over', async () => {
    const jobs = bench.jobs();
    const [running, waiting] = [jobs.submit(SPEC), jobs.submit(SPEC)];
    await settled();
    jobs.remove(waiting.id);
    jobs.remove(running.id);
    await settled();
    expect(bench.runs).toHaveLength(1);
    expect(bench.runs[0]?.signal.aborted).toBe(true);
    expect(bench.states).toEqual(['cancelled', 'cancelled']);
    jobs.remove(waiting.id);
    jobs.remove('job-of-nobody');
    expect(jobs.list().map(({ id }) => id)).toEqual([running.id]);
    expect(bench.states).toEqual(['cancelled']);
  });

  it('are as many as are kept: the oldest that is over leaves, and where none is, one more is refused', async () => {
    const jobs = bench.jobs(2);
    const first = jobs.submit(SPEC);
    const second = jobs.submit(SPEC);
    expect(() => jobs.submit(SPEC)).toThrow(expect.objectContaining({ code: 'ERR_QUEUE_FULL' }) as Error);
    await settled();
    bench.runs[0]?.end({ profile: PROFILE, measured: 0 });
    await settled();
    const third = jobs.submit(SPEC);
    expect(jobs.list().map(({ id }) => id)).toEqual([third.id, second.id]);
    expect(bench.saved.has(first.id)).toBe(false);
  });
});
