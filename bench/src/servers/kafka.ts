import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, type RunningServer, serverFolder, ServerProcess } from './server-process';

/** Where `bench/servers/install.sh` puts the broker's class path. */
const JARS = join(__dirname, '..', '..', 'servers', '.cache', 'kafka');

export interface KafkaServer extends RunningServer {
  /** `127.0.0.1:port`. */
  readonly broker: string;
}

/** KRaft, one node that is broker and controller. As in OpenWhisk's own deployment, topics are not created by themselves. */
const properties = (port: number, controllerPort: number, folder: string): string => `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
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
  const folder = await serverFolder('kafka');
  const port = await freePort();
  const config = join(folder, 'server.properties');
  await writeFile(config, properties(port, await freePort(), folder));
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
  return Object.assign(server, { broker: `127.0.0.1:${port}` });
}

/** An ApiVersions request, version 0, without client id: the broker accepts connections long before it answers them. */
const API_VERSIONS = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
const ANSWER_TIMEOUT_MS = 2_000;

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
