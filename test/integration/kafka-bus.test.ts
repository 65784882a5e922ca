/** {@link KafkaBus} on a real broker. */
import net from 'node:net';
import { startKafka, type KafkaServer } from '@tetris/bench/servers';
import {
  configSchema,
  createLogger,
  isPluginError,
  KAFKA_SECURITY_KEYS,
  kafkaSecurity,
  type KafkaSecurity,
  readConfig,
  TOPIC_SETTINGS,
} from '@tetris/common';
import { KafkaBus, type KafkaOptions } from '@tetris/common/kafka';
import { busContract } from '../support/bus-contract';
import { CuttingProxy, type Forge } from '../support/cutting-proxy';
import { until } from '../support/until';
/** Key and error code of the Kafka protocol. */
const OFFSET_COMMIT = 8;
const NOT_COORDINATOR = 16;
/** An answer to a commit in one partition ends with the partition's error code. */
const asNotCoordinator: Forge = (answer) => {
  answer.writeInt16BE(NOT_COORDINATOR, answer.length - 2);
  return answer;
};
const log = createLogger('test', 'silent');

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.stop());

const connect = (options: Partial<KafkaOptions> = {}): KafkaBus =>
  new KafkaBus({ brokers: [kafka.broker], clientId: 'test', ...options }, log);

busContract('KafkaBus', () => ({ connect }));

describe('KafkaBus', () => {
  it('keeps many concurrent sends under the limit that the broker puts on their sum', async () => {
    const bus = connect();
    await bus.ensureTopic('sums', TOPIC_SETTINGS.invoker);
    let bytes = 0;
    await bus.subscribe({
      topic: 'sums',
      group: 'sums',
      capacity: 16,
      handler: ({ value }) => void (bytes += value.length),
    });
    const value = Buffer.alloc(300_000, 0x20);
    await Promise.all(Array.from({ length: 20 }, () => bus.send('sums', value)));
    await until(() => bytes === 20 * value.length);
    await bus.close();
  });

  it('delivers everything that was accepted when the broker restarts in between', async () => {
    const sender = connect();
    const receiver = connect();
    await sender.ensureTopic('restart', TOPIC_SETTINGS.invoker);
    const got = new Set<string>();
    let deliveries = 0;
    await receiver.subscribe({
      topic: 'restart',
      group: 'restart',
      capacity: 64,
      handler: ({ value }) => {
        got.add(value.toString());
        deliveries += 1;
      },
    });
    const accepted: string[] = [];
    const send = async (id: string): Promise<void> => {
      await sender.send('restart', id).then(
        () => accepted.push(id),
        // The one outcome that may have been written; everything else waits for the broker.
        (error: unknown) => expect(isPluginError(error) && error.fields['written']).toBe('unknown'),
      );
    };
    let sending = true;
    const stream = (async (): Promise<void> => {
      const sends: Promise<void>[] = [];
      for (let index = 0; sending; index += 1) {
        sends.push(send(String(index)));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await Promise.all(sends);
    })();
    await until(() => got.size > 20);
    await kafka.restart();
    const before = accepted.length;
    await until(() => accepted.length > before + 20);
    sending = false;
    await stream;
    await until(() => accepted.every((id) => got.has(id)));
    expect(deliveries).toBe(got.size);
    await sender.close();
    await receiver.close();
  });

  it('hands out exactly once what it committed when the answer to the commit is lost', () => handsOutOnce('cut'));

  it('hands out exactly once what it committed when a broker that shuts down says it is not the coordinator', () =>
    handsOutOnce('forged', asNotCoordinator));

  /** @param forge what becomes of the answer to the commit of the second message */
  async function handsOutOnce(topic: string, forge?: Forge): Promise<void> {
    const proxy = new CuttingProxy(Number(kafka.broker.split(':')[1]));
    const port = await proxy.open();
    // A broker tells its own address, so the detour is laid where the client makes its connections.
    const directly = net.connect.bind(net) as (...args: unknown[]) => net.Socket;
    const detour = jest.spyOn(net, 'connect').mockImplementation((...[options, ...rest]: unknown[]) => {
      const isClient = typeof options === 'object';
      return directly(isClient ? { ...options, port } : options, ...rest);
    });
    const bus = connect();
    try {
      await bus.ensureTopic(topic, TOPIC_SETTINGS.invoker);
      const got: string[] = [];
      const handler = ({ value }: { value: Buffer }): void => void got.push(value.toString());
      await bus.subscribe({ topic, group: topic, capacity: 4, handler });
      await bus.send(topic, 'before');
      await until(() => got.length === 1);
      proxy.arm(OFFSET_COMMIT, forge);
      await bus.send(topic, 'cut');
      await until(() => got.length === 2);
      await bus.send(topic, 'after');
      await until(() => got.length === 3);
      expect({ got, cuts: proxy.cuts }).toEqual({ got: ['before', 'cut', 'after'], cuts: 1 });
      expect(await kafka.committed(topic, topic)).toBe(3);
    } finally {
      detour.mockRestore();
      await bus.close();
      await proxy.close();
    }
  }

  it('expected failure: says that nothing was written while there is no broker, within its bounds', async () => {
    const bus = connect({ sendTimeoutMs: 500, queueBytesMax: 1000 });
    await bus.ensureTopic('away', TOPIC_SETTINGS.completed);
    await bus.send('away', 'warm');
    await kafka.down();
    try {
      const first = bus.send('away', 'x'.repeat(900));
      await expect(bus.send('away', 'y'.repeat(900))).rejects.toMatchObject({
        code: 'ERR_BUS_UNAVAILABLE',
        fields: { written: 'no' },
      });
      await expect(first).rejects.toMatchObject({ code: 'ERR_BUS_UNAVAILABLE', retriable: true });
    } finally {
      await kafka.up();
    }
    await bus.send('away', 'back').catch(() => bus.send('away', 'back'));
    await bus.close();
  });

  it('bad call: reports a topic that nobody made', async () => {
    const bus = connect({ sendTimeoutMs: 300, startTimeoutMs: 300 });
    await expect(bus.send('nobody-made-this', 'x')).rejects.toMatchObject({ code: 'ERR_BUS_UNAVAILABLE' });
    await expect(
      bus.subscribe({ topic: 'nor-this', group: 'g', capacity: 1, handler: () => undefined }),
    ).rejects.toMatchObject({ code: 'ERR_BUS_UNAVAILABLE' });
    await bus.close();
  });

  it('hands out again after a crash what was not handled, and nothing before it', async () => {
    await connect().ensureTopic('again', TOPIC_SETTINGS.completed);
    const options = { topic: 'again', group: 'again', capacity: 4, commit: 'after' } as const;
    const first = connect();
    const begun: string[] = [];
    const handled = (text: string): boolean => Number(text) < 20;
    await first.subscribe({
      ...options,
      handler: ({ value }) => {
        begun.push(value.toString());
        return handled(value.toString()) ? undefined : new Promise<void>(() => undefined);
      },
    });
    const sender = connect();
    for (let index = 0; index < 22; index += 1) await sender.send('again', String(index));
    await until(() => begun.length === 22);
    // As a crash: what it has begun never ends, and its place in the group is given up without a word of its position.
    void first.close();
    const second: string[] = [];
    const successor = connect();
    await successor.subscribe({ ...options, handler: ({ value }) => void second.push(value.toString()) });
    await until(() => second.includes('21'));
    expect(second).toEqual(expect.arrayContaining(['20', '21']));
    // Few come again of what was handled: those after the last commit, which goes with the next messages.
    expect(second.length).toBeLessThanOrEqual(2 + options.capacity);
    await Promise.all([successor.close(), sender.close()]);
  });
});

describe('KafkaBus and a broker that asks for a certificate and a user', () => {
  const securityOf = (change: Record<string, unknown> = {}): KafkaSecurity => {
    const { caPath, certPath, keyPath, user, password } = kafka.secure;
    const keys = {
      kafkaTls: true,
      kafkaTlsCaPath: caPath,
      kafkaTlsCertPath: certPath,
      kafkaTlsKeyPath: keyPath,
      kafkaSaslMechanism: 'plain',
      kafkaSaslUser: user,
      kafkaSaslPassword: password,
    };
    return kafkaSecurity(readConfig(configSchema('balancer', KAFKA_SECURITY_KEYS), {}, { ...keys, ...change }));
  };
  const secured = (security: KafkaSecurity): KafkaBus =>
    connect({ brokers: [kafka.secure.broker], startTimeoutMs: 3_000, sendTimeoutMs: 1_000, ...security });

  it('makes topics, sends and reads', async () => {
    const bus = secured(securityOf());
    await bus.ensureTopic('secret', TOPIC_SETTINGS.completed);
    const got: string[] = [];
    await bus.subscribe({
      topic: 'secret',
      group: 'secret',
      capacity: 1,
      handler: ({ value }) => void got.push(value.toString()),
    });
    await bus.send('secret', 'whisper');
    await until(() => got.length === 1);
    expect(got).toEqual(['whisper']);
    await bus.close();
  });

  it.each([
    [
      'no TLS',
      {
        kafkaTls: false,
        kafkaTlsCaPath: '',
        kafkaTlsCertPath: '',
        kafkaTlsKeyPath: '',
        kafkaSaslMechanism: 'none',
        kafkaSaslUser: '',
      },
    ],
    ['an authority that did not sign the broker', { kafkaTlsCaPath: '' }],
    ['no certificate of its own', { kafkaTlsCertPath: '', kafkaTlsKeyPath: '' }],
    ['the wrong password', { kafkaSaslPassword: 'guessed' }],
  ])('expected failure: is refused with %s', async (_, change) => {
    const bus = secured(securityOf(change));
    await expect(bus.ensureTopic('refused', TOPIC_SETTINGS.completed)).rejects.toMatchObject({
      code: 'ERR_BUS_UNAVAILABLE',
    });
    await bus.close();
  });
});
