/**
 * An invoker that does nothing but answer, on the broker given as first argument: once behind the load balancer, once
 * straight behind the controller, or pulling from the scheduler at the port given second, as a stock container does. The
 * answer is a combined ack with a result of the usual size.
 */
import { combinedMessage, invokerInstanceId, TOPIC_SETTINGS, Topics, transactionStartMs } from '@tetris/common';
import { credentials } from '@grpc/grpc-js';
import { GrpcSchedulers } from '@tetris/load-balancer';
import { ACTION, benchBus, PREFIX, serveParent } from './messages';

const CAPACITY = 4_000;
const PING_MS = 1_000;
/** Of a stock container whose action's concurrency limit is this. */
const PULLS = 8;

async function main(broker: string, schedulerPort: string | undefined): Promise<void> {
  const bus = benchBus(broker, 'invoker');
  const instance = invokerInstanceId(0, 2 ** 40);
  const run = async (value: Buffer, topics: Topics): Promise<void> => {
    const { transid, activationId } = JSON.parse(value.toString()) as { transid: unknown[]; activationId: string };
    const ack = combinedMessage(transid, activationOf(activationId, transactionStartMs(transid, 0)), instance);
    await bus.send(topics.completed('0'), JSON.stringify(ack));
  };
  const serve = async (topics: Topics): Promise<void> => {
    const topic = topics.invoker(0);
    await bus.ensureTopic(topic, TOPIC_SETTINGS.invoker);
    const handler = async ({ value }: { value: Buffer }): Promise<void> => run(value, topics);
    await bus.subscribe({ topic, group: topic, capacity: CAPACITY, handler });
  };
  const behind = new Topics(PREFIX.invoker);
  await bus.ensureTopic(behind.health, TOPIC_SETTINGS.health);
  await serve(behind);
  const direct = new Topics(PREFIX.direct);
  if (schedulerPort === undefined) await serve(direct);
  else
    for (let pulls = 0; pulls < PULLS; pulls += 1) void pullAll(Number(schedulerPort), (value) => run(value, direct));
  const ping = async (): Promise<void> =>
    void (await bus.send(behind.health, JSON.stringify({ name: instance, isEnabled: true })));
  await ping();
  const timer = setInterval(() => void ping().catch(() => undefined), PING_MS);
  serveParent(async () => {
    clearInterval(timer);
    await bus.close();
  });
}

function activationOf(activationId: string, startMs: number): Parameters<typeof combinedMessage>[1] {
  return {
    namespace: 'guest',
    name: ACTION.name,
    subject: 'guest',
    activationId,
    start: startMs,
    end: startMs,
    duration: 0,
    response: { statusCode: 0, result: { label: 'cat', scores: [0.91, 0.05, 0.02] }, size: 44 },
    logs: [],
    version: ACTION.version,
    publish: false,
    annotations: [
      { key: 'limits', value: { timeout: 60_000, memory: 256, logs: 10, concurrency: 1 } },
      { key: 'path', value: `${ACTION.path}/${ACTION.name}` },
      { key: 'kind', value: 'nodejs:20' },
      { key: 'waitTime', value: 1 },
    ],
  };
}

/** Until the process ends. */
async function pullAll(port: number, run: (value: Buffer) => Promise<void>): Promise<void> {
  const options = { credentials: credentials.createInsecure(), pullMsMax: 10_000, messageBytesMax: 4 * 1024 ** 2 };
  const schedulers = new GrpcSchedulers(options);
  const action = { namespace: 'direct', name: ACTION, revision: '1-bench' };
  for (;;) {
    const pull = { action, container: 'stock', warmed: true, alive: true };
    const pulled = await schedulers.pull({ host: '127.0.0.1', port }, pull);
    if (pulled.kind === 'activation') await run(pulled.value);
  }
}

void main(process.argv[2] ?? '', process.argv[3]);
