import { Gate } from '../../../invoker-extension/src/containers/gate';

/** A task that ends when it is told to. */
function task(): { run: () => Promise<string>; end: () => void; begun: () => boolean } {
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

describe('Gate', () => {
  it('lets no more than its places run at once, in order of arrival', async () => {
    const gate = new Gate(2, 10);
    const tasks = [task(), task(), task(), task()];
    const results = tasks.map(({ run }) => gate.run(run));
    expect(tasks.map(({ begun }) => begun())).toEqual([true, true, false, false]);
    tasks[1]?.end();
    await results[1];
    expect(tasks.map(({ begun }) => begun())).toEqual([true, true, true, false]);
    for (const { end } of tasks) end();
    expect(await Promise.all(results)).toEqual(['done', 'done', 'done', 'done']);
  });

  it('gives the place of a failed task on', async () => {
    const gate = new Gate(1, 10);
    const failed = gate.run(() => Promise.reject(new Error('no')));
    const next = gate.run(() => Promise.resolve('done'));
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('done');
  });

  it('expected failure: refuses when too many wait', async () => {
    const gate = new Gate(1, 1);
    const tasks = [task(), task()];
    const results = tasks.map(({ run }) => gate.run(run));
    await expect(gate.run(() => Promise.resolve())).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL', retriable: true });
    for (const { end } of tasks) end();
    await Promise.all(results);
  });
});
