import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Admin, type EachMessagePayload, Kafka, logLevel } from 'kafkajs';
import { makeSecureListener, type SecureListener, secureProperties } from './kafka-certificates';
import { freePort, type RunningServer, serverFolder, ServerProcess } from './server-process';

/** Where `bench/servers/install.sh` puts the broker's class path. */
const JARS = join(__dirname, '..', '..', 'servers', '.cache', 'kafka');

export interface KafkaServer extends RunningServer {
  /** `127.0.0.1:port`. */
  readonly broker: string;
  /** The same broker for clients with a certificate and a user. */
  readonly secure: SecureListener;
  /** Position that a group has committed in partition 0 of a topic; 0 where it has not. */
  committed(group: string, topic: string): Promise<number>;
  /** Everything in partition 0 of a topic that nobody writes to just now. */
  messages(topic: string): Promise<string[]>;
}

/**
 * KRaft, one node that is broker and controller. As in OpenWhisk's own deployment, topics are not created by
 * themselves.
 */
const properties = (port: number, controllerPort: number, secure: SecureListener, folder: string): string => `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort},SECURE://${secure.broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
inter.broker.listener.name=PLAINTEXT
${secureProperties(secure)}
controller.listener.names=CONTROLLER
log.dirs=${folder}/logs
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
`;

/** Starts one Kafka broker (5 s or so). `bench/servers/install.sh` must have run. */
export async function startKafka(): Promise<KafkaServer> {
  if (!existsSync(JARS)) throw new Error('no Kafka broker: run bench/servers/install.sh first');
  const folder = await serverFolder();
  const port = await freePort();
  const config = join(folder, 'server.properties');
  const secure = await makeSecureListener(await freePort(), folder);
  await writeFile(config, properties(port, await freePort(), secure, folder));
  const java = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=4', '-cp', `${JARS}/*`];
  const format = ['kafka.tools.StorageTool', 'format', '-t', 'dGV0cmlzLXRlc3QtMDAwMA', '-c', config];
  await promisify(execFile)('java', [...java, ...format]);
  const server = await ServerProcess.start({
    name: 'kafka',
    command: 'java',
    args: [...java, 'kafka.Kafka', config],
    port,
    folder,
    answers: () => answersApiVersions(port),
  });
  const broker = `127.0.0.1:${port}`;
  return Object.assign(server, { broker, secure, ...observer(broker) });
}

/** An ApiVersions request, version 0, without client id: the broker accepts connections long before it answers them. */
const API_VERSIONS = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
const ANSWER_TIMEOUT_MS = 2_000;
const READ_TIMEOUT_MS = 30_000;

function answersApiVersions(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(API_VERSIONS));
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('data', () => {
      resolve();
      socket.destroy();
    });
  });
}

/** Looks at topics and groups without taking part. */
function observer(broker: string): Pick<KafkaServer, 'committed' | 'messages'> {
  const kafka = new Kafka({ brokers: [broker], clientId: 'observer', logLevel: logLevel.NOTHING });
  const asking = async <T>(ask: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = kafka.admin();
    await admin.connect();
    return ask(admin).finally(() => admin.disconnect());
  };
  return {
    committed: (group, topic) =>
      asking(async (admin) => {
        const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
        return Math.max(0, Number(committed?.partitions[0]?.offset ?? 0));
      }),
    messages: async (topic) => {
      const [end] = await asking((admin) => admin.fetchTopicOffsets(topic));
      const left = Number(end?.high ?? 0) - Number(end?.low ?? 0);
      return left === 0 ? [] : readAll(kafka, topic, left);
    },
  };
}

let readers = 0;

async function readAll(kafka: Kafka, topic: string, count: number): Promise<string[]> {
  const consumer = kafka.consumer({ groupId: `observer-${process.pid}-${readers++}` });
  const values: string[] = [];
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${topic}: ${values.length} of ${count} read`)), READ_TIMEOUT_MS);
      const eachMessage = async ({ message }: EachMessagePayload): Promise<void> => {
        values.push(message.value?.toString() ?? '');
        if (values.length < count) return;
        clearTimeout(timer);
        resolve();
      };
      consumer.run({ autoCommit: false, eachMessage }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return values;
}
