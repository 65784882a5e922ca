/** What every {@link Bus} promises. Run it against each adapter. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Bus, type BusMessage, isPluginError, TOPIC_SETTINGS } from '@tetris/common';
import { until } from './until';

export interface BusUnderTest {
  /** A bus of its own, as another process would have. */
  connect: (this: void) => Bus;
}

/** Every topic is used by one test only, so that one broker serves all of them. */
let topics = 0;
const freshTopic = (): string => `contract-${topics++}`;

/** @param subject called before each test, when a `beforeAll` has started the broker */
export function busContract(name: string, subject: () => BusUnderTest): void {
  describe(`${name} as a bus`, () => {
    let connect: () => Bus;
    let sender: Bus;
    let receiver: Bus;
    let topic: string;
    beforeEach(async () => {
      connect = subject().connect;
      sender = connect();
      receiver = connect();
      topic = freshTopic();
      await sender.ensureTopic(topic, TOPIC_SETTINGS.completed);
    });
    afterEach(async () => {
      await receiver.close();
      await sender.close();
    });

    const collect = (into: string[]) => (message: BusMessage) => {
      into.push(message.value.toString());
    };

    it('delivers each message once, in the order in which they were sent', async () => {
      const got: string[] = [];
      await receiver.subscribe({ topic, group: topic, capacity: 64, handler: collect(got) });
      const sent = Array.from({ length: 500 }, (_, index) => `message ${index}`);
      await Promise.all(sent.map((value) => sender.send(topic, value)));
      await until(() => got.length >= sent.length);
      expect(got).toEqual(sent);
    });

    it('delivers bytes as they are', async () => {
      const got: Buffer[] = [];
      await receiver.subscribe({
        topic,
        group: topic,
        capacity: 4,
        handler: ({ value }) => {
          got.push(value);
        },
      });
      const bytes = Buffer.from(JSON.stringify({ text: 'ä€😀', zero: '\u0000' }));
      await sender.send(topic, bytes);
      await until(() => got.length === 1);
      expect(got[0]?.equals(bytes)).toBe(true);
    });

    it('gives everything to each of two groups', async () => {
      const groups: string[][] = [[], []];
      for (const [index, got] of groups.entries()) {
        await receiver.subscribe({ topic, group: `${topic}-${index}`, capacity: 4, handler: collect(got) });
      }
      await sender.send(topic, 'for both');
      await until(() => groups.every((got) => got.length === 1));
      expect(groups).toEqual([['for both'], ['for both']]);
    });

    it('begins with what is retained when a new group asks for the earliest', async () => {
      await sender.send(topic, 'before');
      const got: string[] = [];
      await receiver.subscribe({ topic, group: topic, capacity: 4, handler: collect(got) });
      await until(() => got.length === 1);
      expect(got).toEqual(['before']);
    });

    it('skips what is retained when a new group asks for the latest', async () => {
      await sender.send(topic, 'before');
      const got: string[] = [];
      await receiver.subscribe({ topic, group: topic, capacity: 4, from: 'latest', handler: collect(got) });
      await sender.send(topic, 'after');
      await until(() => got.length >= 1);
      expect(got).toEqual(['after']);
    });

    it('continues where the group stopped', async () => {
      const first: string[] = [];
      const subscription = await receiver.subscribe({ topic, group: topic, capacity: 4, handler: collect(first) });
      await sender.send(topic, 'one');
      await until(() => first.length === 1);
      await subscription.stop();
      await sender.send(topic, 'two');
      const second: string[] = [];
      await receiver.subscribe({ topic, group: topic, capacity: 4, handler: collect(second) });
      await until(() => second.length >= 1);
      expect({ first, second }).toEqual({ first: ['one'], second: ['two'] });
    });

    it('hands out no more than the capacity at once', async () => {
      let running = 0;
      let most = 0;
      let handled = 0;
      await receiver.subscribe({
        topic,
        group: topic,
        capacity: 3,
        handler: async () => {
          running += 1;
          most = Math.max(most, running);
          await delay(5);
          running -= 1;
          handled += 1;
        },
      });
      await Promise.all(Array.from({ length: 30 }, (_, index) => sender.send(topic, String(index))));
      await until(() => handled === 30);
      expect(most).toBe(3);
    });

    it('goes on after a handler has failed', async () => {
      const got: string[] = [];
      await receiver.subscribe({
        topic,
        group: topic,
        capacity: 1,
        handler: async ({ value }) => {
          got.push(value.toString());
          if (got.length === 1) throw new Error('on purpose');
        },
      });
      await sender.send(topic, 'poison');
      await sender.send(topic, 'good');
      await until(() => got.length === 2);
      expect(got).toEqual(['poison', 'good']);
    });

    it('waits for handlers that run when it is stopped', async () => {
      let started = false;
      let finished = false;
      const subscription = await receiver.subscribe({
        topic,
        group: topic,
        capacity: 1,
        handler: async () => {
          started = true;
          await delay(200);
          finished = true;
        },
      });
      await sender.send(topic, 'slow');
      await until(() => started);
      await subscription.stop();
      expect(finished).toBe(true);
    });

    it('leaves an existing topic as it is', async () => {
      await sender.ensureTopic(topic, { ...TOPIC_SETTINGS.completed, messageBytesMax: 4096 });
      // Refused, this would throw.
      await sender.send(topic, 'x'.repeat(100_000));
    });

    it('bad call: refuses a message above the limit of the topic, and delivers its neighbours', async () => {
      const small = freshTopic();
      await sender.ensureTopic(small, { ...TOPIC_SETTINGS.completed, messageBytesMax: 4096 });
      const got: string[] = [];
      await receiver.subscribe({ topic: small, group: small, capacity: 8, handler: collect(got) });
      const outcomes = await Promise.allSettled([
        sender.send(small, 'before'),
        sender.send(small, 'x'.repeat(8192)),
        sender.send(small, 'after'),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      const { reason } = outcomes[1] as PromiseRejectedResult;
      expect(isPluginError(reason, 'ERR_MESSAGE_TOO_LARGE')).toBe(true);
      await until(() => got.length === 2);
      expect(got).toEqual(['before', 'after']);
    });

    it('bad call: refuses to send once it is closed', async () => {
      const bus = connect();
      await bus.close();
      await expect(bus.send(topic, 'late')).rejects.toMatchObject({ code: 'ERR_BUS_UNAVAILABLE', retriable: true });
    });
  });
}
