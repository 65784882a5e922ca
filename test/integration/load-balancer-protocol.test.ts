/** The load balancer under a controller that behaves as stock does and reports everything stock would choke on. */
import {
  EmbeddedStore,
  MemoryBus,
  MemoryRegistry,
  Topics,
  createLogger,
  invokerInstanceId,
  newActivationId,
  readConfig,
} from '@tetris/common';
import { LoadBalancer, balancerConfig } from '@tetris/load-balancer';
import { ShardingBalancer, type Violation, putHealthTestAction } from '@tetris/standalone';
import { anAction } from '../support/entities';
import { until } from '../support/until';

const log = createLogger('test', 'silent');

interface Incoming {
  transid: unknown;
  activationId: string;
  blocking: boolean;
}

interface StockInvoker {
  /** Ids of the activations that it was given, health tests included. */
  handled: string[];
  stop: () => void;
}

/** A stock invoker in so far as it can be told from outside: pings without a status, answers with the acks of 4.3. */
async function stockInvoker(bus: MemoryBus, instance: number): Promise<StockInvoker> {
  const state: StockInvoker = { handled: [], stop: () => clearInterval(timer) };
  const id = invokerInstanceId(instance, 16 * 1024 ** 3, `node${instance}`);
  const topics = new Topics('tetris-');
  const ack = async (message: unknown): Promise<void> =>
    void (await bus.send(topics.completed('0'), JSON.stringify(message)));
  const topic = topics.invoker(instance);
  await bus.subscribe({
    topic,
    group: topic,
    capacity: 1_000,
    handler: async ({ value }) => {
      const { transid, activationId, blocking } = JSON.parse(value.toString()) as Incoming;
      const count = state.handled.push(activationId);
      const response = {
        namespace: 'guest',
        name: 'classify',
        subject: 'guest',
        activationId,
        start: 1,
        end: 2,
        response: { statusCode: count % 3, result: { ratio: 1.5 } },
        logs: [],
        version: '0.0.1',
        publish: false,
        annotations: [],
      };
      if (blocking && count % 2 === 0) await ack({ transid, response, isSystemError: false, instance: id });
      else {
        if (blocking) await ack({ transid, response });
        await ack({ transid, activationId, isSystemError: false, instance: id });
      }
    },
  });
  const ping = (): void => void bus.send(topics.health, JSON.stringify({ name: id, isEnabled: true }));
  ping();
  const timer = setInterval(ping, 200);
  return state;
}

describe('a load balancer under a strict controller', () => {
  const violations: Violation[] = [];
  let bus: MemoryBus;
  let entities: EmbeddedStore;
  let registry: MemoryRegistry;
  let controller: ShardingBalancer;
  let balancers: LoadBalancer[];
  let invokers: StockInvoker[];

  beforeAll(async () => {
    bus = new MemoryBus(log);
    registry = new MemoryRegistry();
    entities = await EmbeddedStore.open({ log });
    await putHealthTestAction(entities, '0', 'nodejs:20', 128, Date.now());
    await entities.putAction(anAction());
    invokers = [await stockInvoker(bus, 0), await stockInvoker(bus, 1)];
    const topics = new Topics('');
    controller = new ShardingBalancer({
      bus,
      topics,
      controller: '0',
      log,
      onViolation: (one) => violations.push(one),
    });
    await controller.start();
    balancers = [0, 1].map((firstVirtualInvoker) => {
      const config = readConfig(balancerConfig, {}, { firstVirtualInvoker, stockGraceMs: 300, drainMsMax: 1_000 });
      return new LoadBalancer({ controllerBus: bus, invokerBus: bus, entities, registry, config, log });
    });
    for (const balancer of balancers) {
      await balancer.start();
      // Ids must become known in ascending order.
      await until(() => controller.states().length > balancers.indexOf(balancer));
    }
  });

  afterAll(async () => {
    for (const invoker of invokers) invoker.stop();
    for (const balancer of balancers) await balancer.stop();
    await controller.stop();
    await bus.close();
  });

  /** @param ids of what was published: the activation's is added */
  const publish = async (index: number, ids = new Set<string>()): ReturnType<ShardingBalancer['publish']> => {
    const activationId = newActivationId();
    ids.add(activationId);
    return controller.publish({
      limits: { timeout: 60_000, memory: 256, concurrency: 1 },
      message: {
        transid: [`request${index}`, Date.now()],
        action: { path: 'guest', name: 'classify', version: '0.0.1' },
        revision: null,
        user: {
          subject: 'guest-user',
          namespace: { name: `tenant${index % 7}`, uuid: 'u' },
          authkey: {},
          rights: [],
          limits: {},
        },
        activationId,
        rootControllerIndex: { asString: '0', instanceType: 'controller' },
        blocking: index % 4 > 0,
        content: {},
        initArgs: [],
        lockedArgs: {},
      },
    });
  };

  it('becomes healthy through the health test of each virtual invoker', async () => {
    await until(() => controller.states().filter((state) => state === 'healthy').length === 2);
  });

  it('leaves level books and nothing to complain about after thousands of activations', async () => {
    const ids = new Set<string>();
    for (let wave = 0; wave < 20; wave += 1) {
      const sent = await Promise.all(Array.from({ length: 200 }, async (_, index) => publish(index, ids)));
      const blocking = sent.filter((_, index) => index % 4 > 0);
      await Promise.all(blocking.map(async ({ result }) => result));
    }
    await until(() => controller.books().inFlight === 0);
    expect(controller.books().invokers.map(({ outstanding }) => outstanding)).toEqual([0, 0]);
    // A health test may come at any time.
    const ran = invokers.flatMap(({ handled }) => handled.filter((id) => ids.has(id)));
    expect([ids.size, ran.length, new Set(ran).size]).toEqual([4_000, 4_000, 4_000]);
    expect(balancers.map(({ load }) => load)).toEqual([
      { inFlight: 0, waiting: 0 },
      { inFlight: 0, waiting: 0 },
    ]);
    expect(violations).toEqual([]);
  });

  it('goes away at once when it is stopped, and the other takes over', async () => {
    await balancers[0]?.stop();
    await until(() => controller.states()[0] === 'offline');
    const { invoker } = await publish(1);
    expect(invoker).toBe(1);
    await balancers[1]?.stop();
    await until(() => controller.states()[1] === 'offline');
    await expect(publish(2)).rejects.toMatchObject({ code: 'ERR_NO_CAPACITY' });
  });
});
