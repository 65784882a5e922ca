import { waitFor } from '../../../action-runtime/src/onnx/patience';

/** Work that the test carries on. */
function work() {
  const listeners = new Set<() => void>();
  let done: (value: string) => void = () => undefined;
  const result = new Promise<string>((resolve) => (done = resolve));
  return {
    listeners,
    done: (value: string) => done(value),
    say: () => listeners.forEach((listener) => listener()),
    progressing: {
      result,
      onWord(listener: () => void) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  };
}

describe('waitFor', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('gives what the work gives, and leaves nothing behind', async () => {
    const { progressing, done, listeners } = work();
    const waiting = waitFor(progressing, { silenceMs: 10, waitMs: 100 });
    done('model');
    expect(await waiting).toBe('model');
    expect([listeners.size, jest.getTimerCount()]).toEqual([0, 0]);
  });

  it('waits on while there are words, and no longer than altogether', async () => {
    const { progressing, say } = work();
    const waiting = waitFor(progressing, { silenceMs: 10, waitMs: 100 });
    const refused = expect(waiting).rejects.toMatchObject({
      reason: 'daemon-slow',
      message: expect.stringContaining('within 100 ms'),
    });
    for (let atMs = 0; atMs < 100; atMs += 5) {
      jest.advanceTimersByTime(5);
      say();
    }
    await refused;
  });

  it('expected failure: gives up upon silence, while the work goes on', async () => {
    const { progressing, done } = work();
    const waiting = waitFor(progressing, { silenceMs: 10, waitMs: 100 });
    const refused = expect(waiting).rejects.toMatchObject({
      reason: 'daemon-slow',
      message: expect.stringContaining('nothing for 10 ms'),
    });
    jest.advanceTimersByTime(10);
    await refused;
    done('model');
    expect(await progressing.result).toBe('model');
  });

  it('waits for ever where it is told to', async () => {
    const { progressing, done } = work();
    const waiting = waitFor(progressing, { silenceMs: Infinity, waitMs: Infinity });
    jest.advanceTimersByTime(1_000_000);
    done('model');
    expect(await waiting).toBe('model');
  });
});
