import { PluginError } from '@tetris/common';
import { type FlightControl, Flights } from '../../../tensor-daemon/src/ingest/flights';

const MODEL = { modelKey: 'a', name: 'model', namespace: '' };
const quiet = (): void => undefined;

/** Work that a test ends, and that notes how it was ended. */
class Work {
  readonly controls: FlightControl[] = [];
  end: (value: string) => void = quiet;
  fail: (error: Error) => void = quiet;

  readonly run = (control: FlightControl): Promise<string> => {
    this.controls.push(control);
    return new Promise((resolve, reject) => {
      this.end = resolve;
      this.fail = reject;
    });
  };
}

describe('Flights', () => {
  let work: Work;
  let flights: Flights<string>;
  beforeEach(() => {
    work = new Work();
    flights = new Flights(2, () => 1_000);
  });
  const join = (signal = new AbortController().signal, subject = MODEL, listener = quiet): Promise<string> =>
    flights.join(subject, work.run, listener, signal);

  it('is one for all who ask for a model, and tells each how it goes', async () => {
    const heard: unknown[] = [];
    const both = [join(), flights.join(MODEL, work.run, (...event) => heard.push(event), new AbortController().signal)];
    work.controls[0]?.tell('publish', 1, 2);
    expect(flights.list()).toEqual([
      expect.objectContaining({ ...MODEL, phase: 'publish', done: 1, total: 2, waiting: 2, sinceMs: 1_000 }),
    ]);
    work.end('done');
    expect(await Promise.all(both)).toEqual(['done', 'done']);
    expect([work.controls.length, flights.list(), heard]).toEqual([1, [], [['publish', 1, 2]]]);
  });

  it('goes on when one of two leaves, who is answered at once', async () => {
    const leaver = new AbortController();
    const [left, stays] = [join(leaver.signal), join()];
    leaver.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    expect(work.controls[0]?.signal.aborted).toBe(false);
    work.end('done');
    expect(await stays).toBe('done');
  });

  it('ends with the last who waits, is gone from the list at once, and a new one begins beside what is left of it', async () => {
    const leaver = new AbortController();
    const left = join(leaver.signal);
    const first = work.end;
    leaver.abort(new Error('gone'));
    expect(flights.list()).toEqual([]);
    expect(work.controls[0]?.signal.aborted).toBe(true);
    await expect(left).rejects.toThrow('gone');
    const again = join();
    first('of the first');
    work.end('of the second');
    expect(await again).toBe('of the second');
    expect(work.controls).toHaveLength(2);
  });

  it('does not begin for somebody who has left already', async () => {
    await expect(join(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect([work.controls, flights.list()]).toEqual([[], []]);
  });

  it('fails for all who wait where its work fails', async () => {
    const both = [join(), join()];
    work.fail(new Error('broken'));
    for (const each of both) await expect(each).rejects.toThrow('broken');
    expect(flights.list()).toEqual([]);
  });

  it('counts against its namespace only while somebody waits', async () => {
    const leavers = ['a', 'b'].map((modelKey) => {
      const abort = new AbortController();
      const left = join(abort.signal, { modelKey, name: '', namespace: 'guest' });
      return { abort, left };
    });
    const third = { modelKey: 'c', name: '', namespace: 'guest' };
    await expect(join(undefined, third)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL', retriable: true });
    void join(undefined, { ...third, namespace: '' });
    for (const { abort, left } of leavers) {
      abort.abort(new Error('gone'));
      await expect(left).rejects.toThrow('gone');
    }
    void join(undefined, { ...third, modelKey: 'd' });
    expect(flights.list().map(({ modelKey }) => modelKey)).toEqual(['c', 'd']);
  });

  it('is ended by an operator for all who wait', async () => {
    const both = [join(), join()];
    const [{ ingestId = '' } = {}] = flights.list();
    expect(flights.abort('unknown', new PluginError('ERR_INGEST_FAILED', ''))).toBe(false);
    expect(flights.abort(ingestId, new PluginError('ERR_INGEST_FAILED', 'aborted by an operator'))).toBe(true);
    for (const each of both) await expect(each).rejects.toThrow('aborted by an operator');
    expect(flights.list()).toEqual([]);
  });

  it('stops when the work of all, abandoned ones included, has ended', async () => {
    const left = join();
    let stopped = false;
    const stopping = flights.stop().then(() => (stopped = true));
    await expect(left).rejects.toMatchObject({ code: 'ERR_DAEMON_UNAVAILABLE' });
    expect(stopped).toBe(false);
    work.end('too late');
    await stopping;
  });
});
