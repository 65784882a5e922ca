import fc from 'fast-check';
import { Semaphore } from '../../../../common/src/flow/semaphore';

/** A job that ends when it is told to. */
function job(): { run: () => Promise<string>; end: () => void; begun: () => boolean } {
  let begun = false;
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const run = async (): Promise<string> => {
    begun = true;
    await ended;
    return 'done';
  };
  return { run, end, begun: () => begun };
}

describe('Semaphore', () => {
  it('lets no more than its places run at once, in order of arrival', async () => {
    const semaphore = new Semaphore(2, 10);
    const jobs = [job(), job(), job(), job()];
    const results = jobs.map(({ run }) => semaphore.run(run));
    expect(jobs.map(({ begun }) => begun())).toEqual([true, true, false, false]);
    jobs[1]?.end();
    await results[1];
    expect(jobs.map(({ begun }) => begun())).toEqual([true, true, true, false]);
    for (const { end } of jobs) end();
    expect(await Promise.all(results)).toEqual(['done', 'done', 'done', 'done']);
    expect(semaphore).toMatchObject({ running: 0, waiting: 0 });
  });

  it('gives the place of a failed job on', async () => {
    const semaphore = new Semaphore(1, 10);
    const failed = semaphore.run(() => Promise.reject(new Error('no')));
    const next = semaphore.run(() => Promise.resolve('done'));
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('done');
  });

  it('expected failure: refuses when too many wait', async () => {
    const semaphore = new Semaphore(1, 1);
    const jobs = [job(), job()];
    const results = jobs.map(({ run }) => semaphore.run(run));
    const refused = semaphore.run(() => Promise.resolve());
    await expect(refused).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL', retriable: true });
    for (const { end } of jobs) end();
    await Promise.all(results);
  });

  it('gives up the place in the queue of one whose signal ends its wait', async () => {
    const semaphore = new Semaphore(1, 1);
    const first = job();
    const running = semaphore.run(first.run);
    const leaving = new AbortController();
    const gone = job();
    const waited = semaphore.run(gone.run, leaving.signal);
    leaving.abort(new Error('hung up'));
    await expect(waited).rejects.toThrow('hung up');
    const next = semaphore.run(() => Promise.resolve('next'));
    first.end();
    expect(await Promise.all([running, next])).toEqual(['done', 'next']);
    expect(gone.begun()).toBe(false);
  });

  it('begins nothing whose signal was aborted before it came, or between its turn and its beginning', async () => {
    const semaphore = new Semaphore(1, 5);
    const late = job();
    await expect(semaphore.run(late.run, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    let end = (): void => undefined;
    const first = new Promise<void>((resolve) => (end = resolve));
    const running = semaphore.run(() => first);
    const leaving = new AbortController();
    const waited = semaphore.run(late.run, leaving.signal);
    // Comes right after the place was given on, and before the one that waited has heard of it.
    void first.then(() => leaving.abort(new Error('just now')));
    end();
    await expect(waited).rejects.toThrow('just now');
    await running;
    expect(late.begun()).toBe(false);
    expect(semaphore).toMatchObject({ running: 0, waiting: 0 });
  });

  it('keeps its bounds and its order whatever comes, ends, fails and leaves', async () => {
    const steps = fc.array(fc.constantFrom('come', 'end', 'fail', 'leave'), { maxLength: 60 });
    await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 4 }), walk), {
      numRuns: 200,
    });
  });
});

interface Walker {
  id: number;
  leave: AbortController;
  end: (error?: Error) => void;
}

async function walk(steps: readonly string[], runningMax: number, waitingMax: number): Promise<void> {
  const semaphore = new Semaphore(runningMax, waitingMax);
  const running: Walker[] = [];
  const waiting: Walker[] = [];
  const all: Promise<unknown>[] = [];
  const begin = (walker: Walker): Promise<void> => {
    // First come, first served.
    if (waiting.includes(walker)) expect(waiting.shift()).toBe(walker);
    running.push(walker);
    return new Promise((resolve, reject) => {
      walker.end = (error): void => (error === undefined ? resolve() : reject(error));
    });
  };
  for (const [id, step] of steps.entries()) {
    if (step === 'come') {
      const full = semaphore.running === runningMax && semaphore.waiting === waitingMax;
      const walker: Walker = { id, leave: new AbortController(), end: () => undefined };
      if (semaphore.running === runningMax && !full) waiting.push(walker);
      const run = semaphore.run(() => begin(walker), walker.leave.signal);
      if (full) await expect(run).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
      else all.push(run.catch(() => undefined));
    } else if (step === 'leave') waiting.pop()?.leave.abort(new Error('left'));
    else running.shift()?.end(step === 'fail' ? new Error('failed') : undefined);
    await settled();
    expect(semaphore).toMatchObject({ running: running.length, waiting: waiting.length });
    expect(running.length).toBeLessThanOrEqual(runningMax);
    expect(waiting.length === 0 || running.length === runningMax).toBe(true);
  }
  for (; running.length > 0; await settled()) running.shift()?.end();
  await Promise.all(all);
  expect(semaphore).toMatchObject({ running: 0, waiting: 0 });
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
