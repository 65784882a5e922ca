import {
  type ActivationMessage,
  createLogger,
  MemoryBus,
  newActivationId,
  newTransactionId,
  Topics,
} from '@tetris/common';
import { type AckedResult, type Sent, ShardingBalancer, type Violation } from '@tetris/standalone';
import { type Behaviour, FakeInvoker } from '../../../support/fake-invoker';
import { until } from '../../../support/until';

const log = createLogger('test', 'silent');
const topics = new Topics('');
const ACTION_LIMITS = { timeout: 60_000, memory: 256, concurrency: 1 };

function aMessage(name = 'classify', blocking = true): ActivationMessage {
  return {
    transid: newTransactionId(Date.now()),
    action: { path: 'guest', name, version: '0.0.1' },
    revision: '1-a',
    user: {
      subject: 'guest',
      namespace: { name: 'guest', uuid: 'u' },
      authkey: {},
      rights: ['ACTIVATE'],
      limits: {},
    },
    activationId: newActivationId(),
    rootControllerIndex: { asString: '0', instanceType: 'controller' },
    blocking,
    content: { a: 1 },
    initArgs: [],
    lockedArgs: {},
  };
}

describe('ShardingBalancer', () => {
  let bus: MemoryBus;
  let balancer: ShardingBalancer;
  let nowMs: number;
  let violations: Violation[];
  let behaviour: Behaviour;
  const invokers: FakeInvoker[] = [];

  const addInvoker = async (instance: number, memoryMb = 1024): Promise<FakeInvoker> => {
    const invoker = new FakeInvoker({ bus, topics, instance, memoryMb, behave: () => behaviour });
    invokers.push(invoker);
    await invoker.start();
    return invoker;
  };
  const healthy = (count: number): Promise<void> =>
    until(() => balancer.states().filter((state) => state === 'healthy').length === count);
  const kinds = (): string[] => violations.map(({ kind }) => kind);
  const send = (name?: string, limits = ACTION_LIMITS): Promise<Sent> =>
    balancer.publish({ message: aMessage(name), limits });

  const run = async (): Promise<AckedResult> => {
    const { result } = await send();
    return result;
  };

  beforeEach(async () => {
    bus = new MemoryBus(log);
    nowMs = 1_000_000;
    violations = [];
    behaviour = {};
    balancer = new ShardingBalancer({
      bus,
      topics,
      controller: '0',
      log,
      now: () => nowMs,
      random: () => 0,
      onViolation: (violation) => violations.push(violation),
    });
    await balancer.start();
  });
  afterEach(async () => {
    await balancer.stop();
    await Promise.all(invokers.splice(0).map((invoker) => invoker.stop()));
    await bus.close();
  });

  it('takes an invoker into service on its first good health test', async () => {
    await addInvoker(0);
    await healthy(1);
    expect(balancer.invokers()).toEqual({ 'invoker0/fake': 'up' });
    expect(violations).toEqual([]);
  });

  it('sends an activation and resolves with its record, books balanced', async () => {
    await addInvoker(0);
    await healthy(1);
    const sent = await send();
    expect(balancer.books()).toMatchObject({ inFlight: 1, invokers: [{ outstanding: 256, permits: 1024 }] });
    expect(await sent.result).toMatchObject({ activationId: sent.activationId, response: { result: { a: 1 } } });
    await until(() => balancer.books().inFlight === 0);
    expect(balancer.books().invokers[0]?.outstanding).toBe(0);
    expect(violations).toEqual([]);
  });

  it('takes separate result and completion acks', async () => {
    behaviour = { separate: true };
    await addInvoker(0);
    await healthy(1);
    const sent = await send();
    await sent.result;
    await until(() => balancer.books().inFlight === 0);
    expect(violations).toEqual([]);
  });

  it('resolves with the id alone when the ack was shrunk', async () => {
    behaviour = { shrunk: true };
    await addInvoker(0);
    await healthy(1);
    const sent = await send();
    expect(await sent.result).toBe(sent.activationId);
  });

  it('expected failure: refuses where no invoker is healthy', async () => {
    await expect(send()).rejects.toMatchObject({ code: 'ERR_NO_CAPACITY' });
    const invoker = await addInvoker(0);
    await healthy(1);
    await invoker.ping(false);
    await healthy(0);
    await expect(send()).rejects.toMatchObject({ code: 'ERR_NO_CAPACITY' });
    expect(balancer.books().inFlight).toBe(0);
  });

  it('keeps an action at its home and moves on when that is full', async () => {
    behaviour = { silent: true };
    await addInvoker(0, 512);
    await addInvoker(1, 512);
    await healthy(2);
    const chosen: number[] = [];
    for (let count = 0; count < 6; count += 1) chosen.push((await send()).invoker);
    const [home = 0] = chosen;
    expect(chosen.slice(0, 4)).toEqual([home, home, 1 - home, 1 - home]);
    // Then by force: random() is 0, the first healthy one.
    expect(chosen.slice(4)).toEqual([0, 0]);
    expect(balancer.books().invokers[0]?.outstanding).toBe(1024);
  });

  it('counts an action with concurrency above 1 once for all its slots', async () => {
    behaviour = { silent: true };
    await addInvoker(0);
    await healthy(1);
    for (let count = 0; count < 5; count += 1) await send('a', { ...ACTION_LIMITS, concurrency: 4 });
    expect(balancer.books().invokers[0]?.outstanding).toBe(512);
  });

  it('expected failure: gives up on an activation after twice its limit and a minute, and takes its invoker out', async () => {
    behaviour = { silent: true };
    const invoker = await addInvoker(0);
    await healthy(1);
    invoker.answersHealthTests = false;
    const sent = await send();
    nowMs += 179_999;
    await invoker.ping();
    await until(() => invoker.received.length === 1);
    balancer.tick(nowMs);
    expect(balancer.books().inFlight).toBe(1);
    nowMs += 1;
    balancer.tick(nowMs);
    await expect(sent.result).rejects.toMatchObject({ code: 'ERR_DEADLINE' });
    expect(balancer.books()).toMatchObject({ inFlight: 0, invokers: [{ outstanding: 0 }] });
    expect(kinds()).toEqual(['forced-completion']);
  });

  it('counts a system error against its invoker, an application error not', async () => {
    const invoker = await addInvoker(0);
    await healthy(1);
    invoker.answersHealthTests = false;
    behaviour = { statusCode: 1 };
    await run();
    behaviour = { statusCode: 2 };
    await run();
    expect(balancer.states()).toEqual(['healthy']);
    behaviour = { statusCode: 3 };
    for (let count = 0; count < 4; count += 1) await run();
    await until(() => balancer.states()[0] === 'unhealthy');
  });

  describe('violations', () => {
    beforeEach(async () => {
      await addInvoker(0);
      await healthy(1);
    });
    const settled = (): Promise<void> => until(() => balancer.books().inFlight === 0);
    const ack = (value: unknown): Promise<number> =>
      bus.send('completed0', typeof value === 'string' ? value : JSON.stringify(value));
    const seen = (kind: string): Promise<void> => until(() => kinds().includes(kind));

    it('tells of an ack that is malformed or names nobody', async () => {
      await ack('{"transid":');
      await ack({ transid: ['x', 1] });
      await ack({
        transid: ['x', 1],
        activationId: 'f'.repeat(32),
        instance: { instance: 0, userMemory: '1 B', instanceType: 'invoker', tags: [], dedicatedNamespaces: [] },
      });
      await seen('unknown-activation');
      expect(kinds()).toEqual(['malformed-ack', 'malformed-ack', 'unknown-activation']);
    });

    it('tells of a malformed ping', async () => {
      await bus.send('health', '{"name":{}}');
      await seen('malformed-ping');
    });

    it('tells of an instance that was not chosen', async () => {
      behaviour = { alter: (value) => ({ ...value, instance: { ...value.instance, instance: 7 } as never }) };
      await run();
      await settled();
      expect(kinds()).toEqual(['wrong-instance']);
      expect(balancer.books().invokers[0]?.outstanding).toBe(256); // Leaked, as in stock.
    });

    it('tells of a changed transid', async () => {
      behaviour = { alter: (value) => ({ ...value, transid: [value.transid[0], 1] }) };
      await run();
      await settled();
      expect(kinds()).toEqual(['transid-changed']);
    });

    it('tells of a second completion and a second result', async () => {
      const acks: unknown[] = [];
      behaviour = { separate: true, alter: (value) => (acks.push(value), value) };
      await run();
      await settled();
      for (const each of acks) await ack(each);
      await seen('second-completion');
      expect(kinds()).toEqual(['second-result', 'second-completion']);
      expect(balancer.books().invokers[0]?.outstanding).toBe(0);
    });

    it('accepts a completion that overtakes its result', async () => {
      const acks: unknown[] = [];
      behaviour = {
        separate: true,
        alter: (value) => (acks.push(value), { ...value, transid: ['x', 1], response: null, instance: null }),
      };
      const sent = await send();
      await until(() => acks.length === 2);
      await until(() => kinds().length === 2);
      violations.length = 0;
      for (const each of acks.toReversed()) await ack(each);
      expect(await sent.result).toMatchObject({ activationId: sent.activationId });
      await settled();
      expect(violations).toEqual([]);
    });

    it('tells of a completion that comes after it had given up', async () => {
      const acks: unknown[] = [];
      behaviour = { alter: (value) => (acks.push(value), { ...value, response: null, instance: null }) };
      const sent = await send();
      sent.result.catch(() => undefined);
      await until(() => acks.length === 1);
      nowMs += 180_000;
      balancer.tick(nowMs);
      await ack(acks[0]);
      await seen('late-completion');
    });

    it('tells of a capacity that changed after first sight, and keeps the first', async () => {
      await bus.send(
        'health',
        JSON.stringify({
          name: { instance: 0, userMemory: '1 GB', instanceType: 'invoker', tags: [], dedicatedNamespaces: [] },
        }),
      );
      await seen('capacity-changed');
      expect(balancer.books().invokers[0]?.permits).toBe(1024);
    });

    it('tells of ids with gaps, which count as offline invokers', async () => {
      await addInvoker(2);
      await seen('ids-not-dense');
      await until(() => balancer.states()[2] === 'healthy');
      expect(balancer.states()).toEqual(['healthy', 'offline', 'healthy']);
    });

    it('tells of a health test answered with another transid, which never counts', async () => {
      const tests: ActivationMessage[] = [];
      await bus.subscribe({
        topic: 'invoker1',
        group: 'test',
        capacity: 1,
        handler: ({ value }) => void tests.push(JSON.parse(value.toString()) as ActivationMessage),
      });
      const id = { instance: 1, userMemory: '1 GB', instanceType: 'invoker', tags: [], dedicatedNamespaces: [] };
      await bus.send('health', JSON.stringify({ name: id }));
      await until(() => tests.length === 1);
      const [test] = tests;
      expect(test).toMatchObject({ blocking: false, revision: null, transid: ['sid_invokerHealth', 1_000_000] });
      await ack({
        transid: ['sid_invokerHealth', 1],
        activationId: test?.activationId,
        isSystemError: false,
        instance: id,
      });
      await seen('transid-changed');
      expect(balancer.states()[1]).toBe('unhealthy');
      await ack({ transid: test?.transid, activationId: test?.activationId, isSystemError: false, instance: id });
      await until(() => balancer.states()[1] === 'healthy');
    });
  });
});
