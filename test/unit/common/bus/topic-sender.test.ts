import fc from 'fast-check';
import { type QueuedBytes, type SendLimits, TopicSender } from '../../../../common/src/bus/topic-sender';
import { ManualClock } from '../../../support/manual-clock';

const LIMITS: SendLimits = { sendTimeoutMs: 1_000, batchBytesMax: 100, queueBytesMax: 1_000 };
const AWAY = Object.assign(new Error('connect'), { name: 'KafkaJSConnectionError', code: 'ECONNREFUSED' });
const PERHAPS = Object.assign(new Error('timed out'), { name: 'KafkaJSRequestTimeoutError' });
const TOO_LARGE = Object.assign(new Error('large'), { name: 'KafkaJSProtocolError', type: 'MESSAGE_TOO_LARGE' });
const REFUSED = Object.assign(new Error('no'), { name: 'KafkaJSProtocolError', type: 'TOPIC_AUTHORIZATION_FAILED' });

type Answer = Error | 'ok';

/** A broker that answers request by request; after the last answer everything is taken. */
function broker(answers: Answer[] = [], clock = new ManualClock(), limits = LIMITS) {
  const requests: string[][] = [];
  const written: string[] = [];
  const queued: QueuedBytes = { bytes: 0 };
  const produce = async (values: Buffer[]): Promise<void> => {
    const texts = values.map(String);
    requests.push(texts);
    const answer = answers.shift() ?? 'ok';
    if (answer !== 'ok') throw answer;
    written.push(...texts);
  };
  return { sender: new TopicSender('topic', produce, limits, queued, clock), requests, written, queued, clock };
}

const outcomes = async (sends: Promise<unknown>[]): Promise<string[]> => {
  const settled = await Promise.allSettled(sends);
  return settled.map((one) => (one.status === 'fulfilled' ? 'sent' : (one.reason as { code: string }).code));
};
const sendAll = (sender: TopicSender, texts: string[]): Promise<number | void>[] =>
  texts.map((text) => sender.send(Buffer.from(text)));

describe('TopicSender', () => {
  it('sends what comes in one tick in one request, and in order what comes meanwhile', async () => {
    const { sender, requests } = broker();
    await Promise.all(sendAll(sender, ['a', 'b']));
    await Promise.all(sendAll(sender, ['c']));
    expect(requests).toEqual([['a', 'b'], ['c']]);
    expect(sender.isEmpty).toBe(true);
  });

  it('keeps requests of several messages within their bytes', async () => {
    const { sender, requests } = broker();
    const [long, short] = ['x'.repeat(80), 'y'.repeat(15)];
    await Promise.all(sendAll(sender, [long, short, short, 'z'.repeat(300), short]));
    expect(requests.map((values) => values.map(({ length }) => length))).toEqual([[80, 15], [15], [300], [15]]);
  });

  it('tries again what was certainly not written, with growing pauses', async () => {
    const { sender, requests, written, clock } = broker([AWAY, AWAY, AWAY]);
    await Promise.all(sendAll(sender, ['a', 'b']));
    expect(requests).toHaveLength(4);
    expect(written).toEqual(['a', 'b']);
    expect(clock.slept).toEqual([50, 100, 200]);
  });

  it('expected failure: gives each message its own time, whatever waits before it', async () => {
    const clock = new ManualClock();
    const answers: Answer[] = Array.from({ length: 6 }, () => AWAY);
    const { sender, written } = broker(answers, clock, { ...LIMITS, sendTimeoutMs: 2_000 });
    const old = sendAll(sender, ['old']);
    let young: Promise<number | void>[] = [];
    const sleep = clock.sleep;
    Object.assign(clock, {
      sleep: async (ms: number) => {
        if (young.length === 0 && clock.nowMs > 500) young = sendAll(sender, ['young']);
        await sleep(ms);
      },
    });
    expect(await outcomes(old)).toEqual(['ERR_BUS_UNAVAILABLE']);
    expect(await outcomes(young)).toEqual(['sent']);
    expect(written).toEqual(['young']);
  });

  it('expected failure: tells whether a message may be in the log, and does not repeat it', async () => {
    const { sender, requests } = broker([PERHAPS, REFUSED]);
    await expect(sender.send(Buffer.from('a'))).rejects.toMatchObject({ fields: { written: 'unknown' } });
    await expect(sender.send(Buffer.from('b'))).rejects.toMatchObject({ fields: { written: 'no' } });
    expect(requests).toEqual([['a'], ['b']]);
  });

  it('expected failure: of messages that are too large together only those are refused that are so alone', async () => {
    const { sender, written } = broker([TOO_LARGE, 'ok', TOO_LARGE, AWAY]);
    const sends = sendAll(sender, ['a', 'b', 'c', 'd']);
    expect(await outcomes(sends)).toEqual(['sent', 'ERR_MESSAGE_TOO_LARGE', 'sent', 'sent']);
    expect(written).toEqual(['a', 'c', 'd']);
  });

  it('expected failure: refuses what its bytes cannot hold, and has room again afterwards', async () => {
    const { sender, queued } = broker();
    const sends = sendAll(sender, ['x'.repeat(600), 'y'.repeat(600)]);
    expect(await outcomes(sends)).toEqual(['sent', 'ERR_BUS_UNAVAILABLE']);
    expect(queued.bytes).toBe(0);
    await sender.send(Buffer.from('z'.repeat(600)));
  });

  it('settles every message once, keeps the order, and rejects none before its time, whatever the broker does', async () => {
    const answer = fc.constantFrom<Answer>('ok', AWAY, AWAY, PERHAPS, TOO_LARGE, REFUSED);
    const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { maxLength: 40 }), sizes, async (answers, lengths) => {
        const { sender, written, queued, clock } = broker(answers, new ManualClock(), {
          ...LIMITS,
          queueBytesMax: 1e6,
          sendTimeoutMs: 5_000,
        });
        const startMs = clock.nowMs;
        const texts = lengths.map((length, index) => String.fromCharCode(65 + index).repeat(length));
        const sends = texts.map(async (text) => {
          await sender.send(Buffer.from(text)).catch((error: { fields: { written?: string }; cause: Error }) => {
            if (error.cause === AWAY) expect(clock.nowMs - startMs).toBeGreaterThanOrEqual(4_000);
            throw error;
          });
          return text;
        });
        const sent = (await Promise.allSettled(sends)).flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
        expect(written).toEqual(sent);
        expect([sender.isEmpty, queued.bytes]).toEqual([true, 0]);
        await sender.drained();
      }),
      { numRuns: 300 },
    );
  });
});
