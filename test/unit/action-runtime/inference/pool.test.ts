/**
 * The pool over real threads that run no onnxruntime: who runs what, what waits, and what becomes of the rest of a dead
 * worker.
 */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type PoolOptions, type RunReport, WorkerPool } from '../../../../action-runtime/src/inference/pool';
import type { PoolModel, PoolSession } from '../../../../action-runtime/src/inference/pool-session';
import { WorkerStarter } from '../../../../action-runtime/src/inference/worker-starter';

jest.mock('../../../../action-runtime/src/inference/inference-worker', () => {
  const actual = jest.requireActual<typeof import('../../../../action-runtime/src/inference/inference-worker')>(
    '../../../../action-runtime/src/inference/inference-worker',
  );
  const file = path.join(__dirname, '../../../support/scripted-worker.cjs');
  class InferenceWorker extends actual.InferenceWorker {
    constructor(heapMax: number, onEnd: () => void) {
      super(heapMax, onEnd, file);
    }
  }
  return { InferenceWorker };
});

const MODEL: PoolModel = {
  name: 'model',
  locate: async () => ({ kind: 'path', path: 'model' }),
  options: {},
  single: false,
};
let pools: WorkerPool[] = [];
afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  pools = [];
});

function poolOf(options: Partial<PoolOptions> = {}): WorkerPool {
  const pool = new WorkerPool({
    workers: 2,
    starter: new WorkerStarter(0),
    queueMax: 100,
    inputBytesMax: 1e6,
    pads: false,
    rowsMax: 1,
    bytesMax: 1e6,
    waitMs: 0,
    pace: { lullWaits: 4, overdueGaps: 2, alike: 0.05, freshRuns: 64 },
    times: () => ({ dueMs: Infinity, deadlineMs: Infinity }),
    notice: () => undefined,
    ...options,
  });
  pools.push(pool);
  return pool;
}

/** Has a worker do what a word says. @returns the word, and the thread that it came from */
async function say(session: PoolSession, text: string): Promise<[string, number]> {
  const input = {
    feeds: { x: { tensor: { type: 'string' as const, dims: [1], data: [text] } } },
    fetches: {},
    options: {},
  };
  const { y } = await session.run(text.length, () => input);
  const [word = '', thread] = String((y?.data as string[])[0]).split(' ');
  return [word, Number(thread)];
}

const codes = async (runs: Promise<unknown>[]): Promise<string[]> =>
  (await Promise.allSettled(runs)).map((run) =>
    run.status === 'fulfilled' ? 'ok' : String((run.reason as { code?: string }).code ?? (run.reason as Error).name),
  );

describe('WorkerPool', () => {
  it('serves runs side by side in as many workers as it may have, and answers each with its own', async () => {
    const session = await poolOf().load(MODEL);
    const words = ['wait 30', 'wait 30', 'a', 'b', 'c', 'd'];
    const answers = await Promise.all(words.map((word) => say(session, word)));
    expect(answers.map(([word]) => word)).toEqual(['wait', 'wait', 'a', 'b', 'c', 'd']);
    expect(new Set(answers.map(([, thread]) => thread)).size).toBe(2);
  });

  it('keeps a model that is loaded once in one worker', async () => {
    const session = await poolOf({ workers: 3 }).load({ ...MODEL, single: true });
    const answers = await Promise.all(['wait 20', 'a', 'b', 'c'].map((word) => say(session, word)));
    expect(new Set(answers.map(([, thread]) => thread)).size).toBe(1);
  });

  it('loads a model in one worker after the other: each load takes memory of its own for a moment', async () => {
    let [loads, atOnce, most] = [0, 0, 0];
    const locate = async (): ReturnType<PoolModel['locate']> => {
      loads += 1;
      most = Math.max(most, (atOnce += 1));
      await delay(20);
      atOnce -= 1;
      // One that fails does not stop those after it.
      return { kind: 'path', path: loads === 2 ? 'broken' : 'model' };
    };
    const session = await poolOf({ workers: 3 }).load({ ...MODEL, locate });
    await codes(Array.from({ length: 3 }, () => say(session, 'wait 60')));
    await codes(Array.from({ length: 3 }, () => say(session, 'wait 60')));
    expect([loads > 2, most]).toEqual([true, 1]);
  });

  it('expected failure: a worker that dies takes its own runs with it, and the others are served by a new one', async () => {
    const session = await poolOf({ workers: 1 }).load(MODEL);
    const [, first] = await say(session, 'a');
    const runs = ['wait 20', 'die', 'b', 'c'].map((word) => say(session, word));
    const outcomes = await codes(runs);
    expect(outcomes.slice(0, 2)).toEqual(['ok', 'ERR_WORKER_FAILED']);
    // One may have been given to it ahead of time; what waited here is served.
    expect(outcomes.at(-1)).toBe('ok');
    const [, second] = await say(session, 'd');
    expect(second).not.toBe(first);
  });

  it('expected failure: a run that fails fails alone, with its own class of error', async () => {
    const session = await poolOf({ workers: 1 }).load(MODEL);
    expect(await codes(['a', 'fail', 'b'].map((word) => say(session, word)))).toEqual(['ok', 'RangeError', 'ok']);
  });

  it('expected failure: a model that cannot be loaded is told, and another is loaded after it', async () => {
    const pool = poolOf({ workers: 1 });
    const broken = pool.load({ ...MODEL, locate: async () => ({ kind: 'path', path: 'broken' }) });
    await expect(broken).rejects.toThrow('no such model');
    const session = await pool.load(MODEL);
    expect((await say(session, 'a'))[0]).toBe('a');
  });

  it('expected failure: a run whose activation is over before its turn is not run', async () => {
    let deadlineMs = Infinity;
    const session = await poolOf({ workers: 1, times: () => ({ dueMs: Infinity, deadlineMs }) }).load(MODEL);
    const busy = [say(session, 'wait 150'), say(session, 'wait 150')];
    deadlineMs = Date.now() + 50;
    const late = say(session, 'late');
    expect(await codes([...busy, late])).toEqual(['ok', 'ok', 'ERR_DEADLINE']);
  });

  it('tells how each run went', async () => {
    const reports: RunReport[] = [];
    const times = (): ReturnType<PoolOptions['times']> => ({
      dueMs: Infinity,
      deadlineMs: Infinity,
      onRun: (report) => reports.push(report),
    });
    const session = await poolOf({ workers: 1, times }).load(MODEL);
    await Promise.all([say(session, 'wait 30'), say(session, 'a')]);
    expect(reports).toMatchObject([{ batch: 1 }, { batch: 1 }]);
    expect(reports.every(({ waitedMs, executionMs }) => waitedMs >= 0 && executionMs >= 0)).toBe(true);
  });

  it('answers or fails every run, whichever workers die in between', async () => {
    const session = await poolOf({ workers: 2 }).load(MODEL);
    const words = Array.from({ length: 200 }, (_, index) => (index % 25 === 12 ? 'die' : `word${index}`));
    const runs = words.map((word) => say(session, word));
    const settled = await Promise.allSettled(runs);
    for (const [index, run] of settled.entries()) {
      if (run.status === 'fulfilled') expect(run.value[0]).toBe(words[index]);
      else expect(run.reason).toMatchObject({ code: 'ERR_WORKER_FAILED' });
    }
    // Each death costs itself, and at the most what that worker had been given ahead of time.
    expect(settled.filter(({ status }) => status === 'rejected').length).toBeLessThanOrEqual(16);
    expect((await say(session, 'z'))[0]).toBe('z');
  });

  it('expected failure: a released session runs nothing, and is released once', async () => {
    const session = await poolOf().load(MODEL);
    await session.release();
    await expect(say(session, 'a')).rejects.toThrow('Session already disposed.');
    await expect(session.release()).rejects.toThrow('Session already disposed.');
  });
});
