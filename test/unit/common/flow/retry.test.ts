import { PluginError } from '../../../../common/src/errors';
import { pauseMs } from '../../../../common/src/flow/backoff';
import { retry } from '../../../../common/src/flow/retry';

const backoff = { firstMs: 100, maxMs: 1_000 };
const away = new PluginError('ERR_BUS_UNAVAILABLE', 'away', { retriable: true });

/** Time that passes by sleeping alone; every pause is the longest. */
function clock(): { nowMs: number; options: Pick<Parameters<typeof retry>[1], 'now' | 'sleep' | 'random'> } {
  const time = {
    nowMs: 0,
    options: {
      now: () => time.nowMs,
      sleep: async (ms: number): Promise<void> => void (time.nowMs += ms),
      random: () => 1,
    },
  };
  return time;
}

/** Fails so often, then answers. */
function failing(times: number, error: Error = away): jest.Mock<Promise<string>, [number]> {
  return jest.fn(async (count: number) => {
    if (count <= times) throw error;
    return `after ${count}`;
  });
}

describe('pauseMs', () => {
  it('doubles up to the longest pause', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 2_000].map((attempt) => pauseMs(backoff, attempt, () => 1));
    expect(pauses).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000]);
  });

  it('is random in its upper half', () => {
    expect(pauseMs(backoff, 2, () => 0)).toBe(100);
    expect(pauseMs(backoff, 2, () => 0.5)).toBe(150);
  });
});

describe('retry', () => {
  it('tries what failed retriably until it works, and tells the attempt its number', async () => {
    const { options } = clock();
    const attempt = failing(3);
    await expect(retry(attempt, { ...options, backoff, attemptsMax: 5 })).resolves.toBe('after 4');
    expect(attempt.mock.calls.flat()).toEqual([1, 2, 3, 4]);
  });

  it('expected failure: throws the last error when the attempts are used up', async () => {
    const { options } = clock();
    const attempt = failing(9);
    await expect(retry(attempt, { ...options, backoff, attemptsMax: 3 })).rejects.toBe(away);
    expect(attempt).toHaveBeenCalledTimes(3);
  });

  it('expected failure: begins no attempt after its time', async () => {
    const time = clock();
    const attempt = failing(9);
    await expect(retry(attempt, { ...time.options, backoff, untilMs: 300 })).rejects.toBe(away);
    expect(attempt).toHaveBeenCalledTimes(3);
    expect(time.nowMs).toBe(300);
  });

  it('expected failure: throws at once what is final, by default whatever is not said to be retriable', async () => {
    const { options } = clock();
    for (const error of [new Error('broken'), new PluginError('ERR_MODEL_INVALID', 'no model')]) {
      const attempt = failing(9, error);
      await expect(retry(attempt, { ...options, backoff, attemptsMax: 3 })).rejects.toBe(error);
      expect(attempt).toHaveBeenCalledTimes(1);
    }
    const attempt = failing(1, new Error('broken'));
    await expect(retry(attempt, { ...options, backoff, attemptsMax: 3, again: () => true })).resolves.toBe('after 2');
  });

  it('ends with its signal: before the first attempt, in an attempt and in a pause', async () => {
    const ended = AbortSignal.abort(new Error('stopped'));
    const never = failing(9);
    await expect(retry(never, { backoff, signal: ended })).rejects.toThrow('stopped');
    expect(never).not.toHaveBeenCalled();

    const inAttempt = new AbortController();
    const stopping = jest.fn(async () => {
      inAttempt.abort();
      throw away;
    });
    await expect(retry(stopping, { backoff, signal: inAttempt.signal })).rejects.toBe(away);
    expect(stopping).toHaveBeenCalledTimes(1);

    const inPause = new AbortController();
    const paused = failing(9);
    const waiting = retry(paused, { backoff: { firstMs: 3_600_000, maxMs: 3_600_000 }, signal: inPause.signal });
    setImmediate(() => inPause.abort());
    await expect(waiting).rejects.toBe(away);
    expect(paused).toHaveBeenCalledTimes(1);
  });
});
