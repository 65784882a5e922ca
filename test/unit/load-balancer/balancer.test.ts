import { type InFlight, MemoryBus, MemoryRegistry, PluginError, TOPIC_SETTINGS, newActivationId } from '@tetris/common';
import { until } from '../../support/until';
import {
  type AckJson,
  Cluster,
  type ClusterOptions,
  Controller,
  START_MS,
  actionOf,
  activationText,
  entitiesOf,
  log,
} from './cluster';
import { randomFrom, testSeed } from '../../support/random';

describe('LoadBalancer', () => {
  let cluster: Cluster;
  const started = async (options: ClusterOptions = {}): Promise<Cluster> => {
    cluster = await new Cluster(options).start();
    return cluster;
  };
  afterEach(async () => cluster.stop());

  describe('as a virtual invoker', () => {
    it('relays an activation byte for byte and its ack with the virtual invoker as instance', async () => {
      const { controller, invokers } = await started({ invokers: 2 });
      const id = await controller.invoke({ future: { field: 1 } });
      await until(() => controller.slots.has(id));
      const received = invokers.flatMap((invoker) => invoker.received);
      expect(received.map(({ text }) => text)).toEqual([activationText(id, { future: { field: 1 } })]);
      expect(controller.acks[0]?.instance).toMatchObject({
        instance: 0,
        userMemory: '68719476736 B',
        uniqueName: 'tetris0',
      });
      expect([...controller.results.values(), ...controller.slots.values()]).toEqual([1, 1]);
      expect(cluster.balancer.load).toEqual({ inFlight: 0, waiting: 0 });
    });

    it('forwards a health test and brings its transid back verbatim', async () => {
      const { controller, invokers } = await started();
      const id = newActivationId();
      const transid = '["sid_invokerHealth",1767225600123.0]';
      const action = { path: 'whisk.system', name: 'invokerHealthTestAction0' };
      const text = activationText(id, { action, revision: null, blocking: false }).replace(
        /"transid":\[.*?\]/,
        `"transid":${transid}`,
      );
      const [invoker] = invokers;
      if (invoker === undefined) throw new Error('no invoker');
      invoker.automatic = false;
      await cluster.bus.send('invoker0', text);
      await until(() => invoker.received.length === 1);
      expect(invoker.received[0]?.text).toBe(text);
      await invoker.ack(`{"transid":${transid},"activationId":"${id}","isSystemError":true,"instance":{"instance":0}}`);
      await until(() => controller.slots.has(id));
      expect(controller.texts[0]).toContain(`"transid":${transid}`);
      expect(controller.acks[0]?.isSystemError).toBe(true);
      expect(cluster.entities.reads).toBe(0);
    });

    it('says nothing before an invoker is usable, then pings every id in order, and leaves when none is left', async () => {
      await started({ invokers: 1, overrides: { firstVirtualInvoker: 2, virtualInvokers: 2, userMemory: '8g' } });
      const { controller, invokers } = cluster;
      await until(() => controller.pings.length === 2);
      const [two, three] = controller.pings;
      expect([two?.name.instance, three?.name.instance]).toEqual([2, 3]);
      expect(two).toMatchObject({
        isEnabled: true,
        name: { userMemory: `${8 * 1024 ** 3} B`, tags: [], dedicatedNamespaces: [] },
      });
      if (invokers[0] !== undefined) invokers[0].alive = false;
      await cluster.advance(20);
      await until(() => controller.pings.at(-1)?.isEnabled === false);
      const disabled = controller.pings.filter(({ isEnabled }) => isEnabled === false);
      expect(disabled).toHaveLength(6);
      expect(controller.pings.at(-1)?.name.instance).toBe(3);
    });

    it('creates its own topics for larger messages than stock, and those of controllers it meets', async () => {
      await started();
      const other = new Controller(cluster.bus, 'zone-b.7');
      await other.start();
      const id = newActivationId();
      await cluster.bus.send('invoker0', activationText(id, { rootControllerIndex: { asString: 'zone-b.7' } }));
      const [invoker] = cluster.invokers;
      if (invoker === undefined) throw new Error('no invoker');
      await until(() => invoker.received.length === 1);
      await invoker.ack({ transid: ['t', 1], response: invoker.record(id), instance: invoker.id() }, 'zone-b.7');
      await until(() => other.slots.has(id));
      expect(cluster.controller.acks).toEqual([]);
    });

    it('sends a result that is too large for the controllers as its id', async () => {
      await started();
      const { controller, invokers } = cluster;
      const [invoker] = invokers;
      if (invoker === undefined) throw new Error('no invoker');
      invoker.automatic = false;
      const id = await controller.invoke();
      await until(() => invoker.received.length === 1);
      const record = { ...(invoker.record(id) as object), logs: ['x'.repeat(1_200_000)] };
      await invoker.ack({ transid: ['t', 1], response: record, isSystemError: false, instance: invoker.id() });
      await until(() => controller.slots.has(id));
      expect(controller.acks[0]).toMatchObject({ response: id, instance: { instance: 0 } });
    });

    it('bad call: drops unreadable messages in every topic and goes on', async () => {
      const { controller } = await started();
      for (const poison of ['', 'null', '{', '{"activationId":"x"}', '[]', '\u0000', activationText('not-an-id')]) {
        for (const topic of ['invoker0', 'tetris-completed0', 'tetris-health']) await cluster.bus.send(topic, poison);
      }
      const id = await controller.invoke();
      await until(() => controller.slots.has(id));
      expect(controller.acks).toHaveLength(1);
      expect(await cluster.balancer.metrics.metrics()).toMatch(/invalid_messages_total\{topic="completed"\} 7/);
    });

    it('answers a kind that nobody serves as an application error', async () => {
      const { controller } = await started({ kind: 'swift:5' });
      const id = await controller.invoke();
      await until(() => controller.slots.has(id));
      expect(controller.acks[0]).toMatchObject({
        isSystemError: false,
        response: { response: { statusCode: 1, result: { error: "No invoker serves actions of kind 'swift:5'." } } },
      });
      expect(cluster.entities.stored).toHaveLength(1);
    });

    it('hands on an action that it cannot read, so that the invoker answers as stock does', async () => {
      const { controller } = await started({ entities: entitiesOf({}) });
      const id = await controller.invoke();
      await until(() => controller.slots.has(id));
    });
  });

  describe('with many activations', () => {
    it('reads an action once for all of them', async () => {
      const { controller, entities } = await started({ invokers: 2 });
      const ids = await Promise.all(Array.from({ length: 100 }, async () => controller.invoke()));
      await until(() => ids.every((id) => controller.slots.has(id)));
      expect(entities.reads).toBe(1);
    });

    it('spreads a burst over invokers before their next status', async () => {
      const { invokers, controller } = await started({ invokers: 4 });
      for (const invoker of invokers) invoker.automatic = false;
      // 4 GiB a node, 256 MiB and four slots an instance: 64 activations fill one node.
      for (let count = 0; count < 256; count += 1) await controller.invoke();
      await until(() => invokers.every(({ received }) => received.length === 64));
    });

    it('holds back what no invoker may have yet, and hands it on when a slot is free', async () => {
      const { invokers, controller } = await started({ overrides: { invokerInFlightMax: 3, queuedShare: 1 } });
      const [invoker] = invokers;
      if (invoker === undefined) throw new Error('no invoker');
      invoker.automatic = false;
      for (let count = 0; count < 10; count += 1) await controller.invoke();
      await until(() => cluster.balancer.load.waiting === 7 && invoker.received.length === 3);
      await invoker.answer(invoker.received[0]?.activationId ?? '');
      await until(() => invoker.received.length === 4);
      expect(cluster.balancer.load).toEqual({ inFlight: 3, waiting: 6 });
      expect(cluster.balancer.fleet.get(0)?.inFlight).toBe(3);
    });

    it('refuses what finds no place to wait in, as an error of the application', async () => {
      const { invokers, controller } = await started({ overrides: { invokerInFlightMax: 1, waitingMax: 1 } });
      if (invokers[0] !== undefined) invokers[0].automatic = false;
      const ids: string[] = [];
      for (let count = 0; count < 3; count += 1) {
        ids.push(await controller.invoke());
        await until(() => cluster.balancer.load.inFlight + cluster.balancer.load.waiting === Math.min(2, count + 1));
      }
      await until(() => controller.slots.has(ids[2] ?? ''));
      expect(controller.acks).toMatchObject([
        { isSystemError: false, response: { response: { statusCode: 1, result: { error: expect.any(String) } } } },
      ]);
    });

    it('answers those that wait for too long', async () => {
      const { invokers, controller } = await started({ overrides: { invokerInFlightMax: 1, waitMsMax: 5_000 } });
      if (invokers[0] !== undefined) invokers[0].automatic = false;
      const ids = [await controller.invoke(), await controller.invoke()];
      await until(() => cluster.balancer.load.waiting === 1);
      await cluster.advance(6);
      await until(() => controller.slots.has(ids[1] ?? ''));
      expect(controller.acks).toHaveLength(1);
      expect(controller.acks[0]).toMatchObject({ isSystemError: false, response: { response: { statusCode: 3 } } });
    });

    it('drops the second copy of an activation that is in flight, and repeated acks', async () => {
      const { invokers, controller } = await started();
      const [invoker] = invokers;
      if (invoker === undefined) throw new Error('no invoker');
      invoker.automatic = false;
      const id = await controller.invoke();
      await until(() => invoker.received.length === 1);
      await cluster.bus.send('invoker0', activationText(id));
      for (let copy = 0; copy < 3; copy += 1) await invoker.answer(id);
      await until(() => controller.slots.has(id));
      const other = await controller.invoke();
      await until(() => invoker.received.some(({ activationId }) => activationId === other));
      expect(invoker.received).toHaveLength(2);
      expect([controller.slots.get(id), controller.results.get(id)]).toEqual([1, 1]);
    });
  });

  describe('when nobody knows whether the broker has a message', () => {
    /** Writes the first message to an invoker or loses it, and says in either case that it does not know. */
    class UnsureBus extends MemoryBus {
      unsure: 'written' | 'lost' | undefined;

      override async send(topic: string, value: string | Buffer): Promise<number> {
        if (this.unsure === undefined || topic !== 'tetris-invoker0') return super.send(topic, value);
        if (this.unsure === 'written') await super.send(topic, value);
        this.unsure = undefined;
        throw new PluginError('ERR_BUS_UNAVAILABLE', 'gone', { retriable: true, fields: { written: 'unknown' } });
      }
    }

    const CASES = [
      ['again to an invoker that runs an activation once', true, 'lost', 1],
      ['again, whether or not it was there', true, 'written', 2],
      ['once to one that might run it twice', false, 'written', 1],
      ['once to one that might run it twice, and says in the end that it is lost', false, 'lost', 0],
    ] as const;

    it.each(CASES)('sends it %s', async (_name, runsOnce, unsure, copies) => {
      const bus = new UnsureBus(log);
      const { invokers, controller } = await started({ bus, overrides: { lostMs: 2_000 } });
      const [invoker] = invokers;
      await invoker?.status({ runsOnce, running: 0 });
      bus.unsure = unsure;
      const id = await controller.invoke();
      await until(() => bus.unsure === undefined);
      if (copies > 0) await until(() => controller.slots.has(id));
      await until(() => invoker?.received.length === copies);
      for (let second = 0; second < 4; second += 1) {
        cluster.nowMs += 1_000;
        await invoker?.status({ runsOnce, running: 0 });
        await cluster.balancer.tick();
      }
      await until(() => controller.slots.has(id));
      expect(controller.slots.get(id)).toBe(1);
      expect(invoker?.received.map(({ activationId }) => activationId)).toEqual(Array(copies).fill(id));
      const [ack] = controller.acks;
      expect(ack).toMatchObject({ response: { response: { statusCode: copies === 0 ? 3 : 0 } } });
    });
  });

  describe('when an invoker dies', () => {
    it('answers its activations with status 3, once, and stores their records', async () => {
      const { invokers, controller, entities } = await started({ invokers: 2 });
      for (const invoker of invokers) invoker.automatic = false;
      const ids: string[] = [];
      for (let count = 0; count < 100; count += 1) ids.push(await controller.invoke({ blocking: count % 2 === 0 }));
      await until(() => invokers.reduce((sum, { received }) => sum + received.length, 0) === 100);
      const [dead, living] = invokers;
      if (dead === undefined || living === undefined) throw new Error('no invokers');
      dead.alive = false;
      await cluster.advance(12);
      const lost = dead.received.map(({ activationId }) => activationId);
      expect(lost.length).toBeGreaterThan(0);
      await until(() => lost.every((id) => controller.slots.has(id)));
      for (const { activationId } of living.received) await living.answer(activationId);
      for (const { activationId } of dead.received) await living.answer(activationId);
      await until(() => ids.every((id) => controller.slots.has(id)));
      expect([...controller.slots.values(), ...controller.results.values()].every((count) => count === 1)).toBe(true);
      expect(controller.slots.size).toBe(100);
      const statusOf = ({ response }: AckJson): unknown =>
        typeof response === 'object' ? response.response.statusCode : 3;
      expect(controller.acks.filter((ack) => statusOf(ack) === 3)).toHaveLength(lost.length);
      // Or a controller would take the virtual invoker out of service, and with it the living one.
      expect(controller.acks.filter(({ isSystemError }) => isSystemError)).toEqual([]);
      expect(entities.stored).toHaveLength(lost.length);
      expect(cluster.balancer.fleet.get(1)?.inFlight).toBe(0);
    });

    it('finds out about activations that a restarted invoker has forgotten', async () => {
      const { invokers, controller } = await started({ overrides: { lostMs: 20_000 } });
      const [invoker] = invokers;
      if (invoker === undefined) throw new Error('no invoker');
      invoker.automatic = false;
      const id = await controller.invoke();
      await until(() => invoker.received.length === 1);
      await invoker.status({ running: 0 });
      for (let second = 0; second < 20; second += 1) {
        cluster.nowMs += 1_000;
        await invoker.status({ running: 0 });
        await cluster.balancer.tick();
      }
      expect(controller.slots.has(id)).toBe(false);
      cluster.nowMs += 1_001;
      await invoker.status({ running: 0 });
      await cluster.balancer.tick();
      await until(() => controller.slots.has(id));
      expect(controller.acks[0]).toMatchObject({ response: { response: { statusCode: 3 } } });
    });

    it('forgets what the controllers have given up on', async () => {
      const { invokers, controller, registry } = await started({ tetris: false });
      const [invoker] = invokers;
      if (invoker === undefined) throw new Error('no invoker');
      invoker.automatic = false;
      const id = await controller.invoke();
      await until(() => invoker.received.length === 1);
      await cluster.advance(181);
      expect(cluster.balancer.load.inFlight).toBe(0);
      expect(await registry.listInFlight('balancer0')).toEqual([]);
      await invoker.answer(id);
      expect(controller.slots.has(id)).toBe(false);
    });
  });

  describe('after a crash', () => {
    /** A load balancer that vanishes without a word: its subscriptions are gone, its registry entries stay. */
    async function crashedWith(entries: Partial<InFlight>[]): Promise<{ registry: MemoryRegistry; bus: MemoryBus }> {
      const registry = new MemoryRegistry();
      for (const entry of entries) {
        await registry.putInFlight('balancer0', {
          activationId: newActivationId(),
          virtualInvoker: 0,
          invoker: 0,
          controller: '0',
          transid: ['left', 1],
          blocking: true,
          deadlineMs: START_MS + 180_000,
          namespace: 'guest',
          action: 'guest/hello',
          subject: 'guest',
          ...entry,
        });
      }
      return { registry, bus: new MemoryBus(log) };
    }
    const id = (index: number): string => index.toString(16).padStart(32, 'a');

    it('passes on the acks of activations that its predecessor handed on', async () => {
      const left = await crashedWith([{ activationId: id(1), virtualInvoker: 5 }]);
      await left.bus.ensureTopic('tetris-completed0', TOPIC_SETTINGS.completed);
      const { controller, invokers, registry } = await started(left);
      await invokers[0]?.answer(id(1));
      await until(() => controller.slots.has(id(1)));
      expect(controller.acks[0]?.instance).toMatchObject({ instance: 5, uniqueName: 'tetris5' });
      expect(await registry.listInFlight('balancer0')).toEqual([]);
    });

    it('answers those whose invoker never comes back, and drops those past their deadline', async () => {
      const left = await crashedWith([
        { activationId: id(1), invoker: 9 },
        { activationId: id(2), invoker: 0 },
        { activationId: id(3), deadlineMs: START_MS },
      ]);
      const { controller, registry } = await started(left);
      await cluster.advance(11);
      await until(() => controller.slots.has(id(1)));
      expect(controller.acks).toHaveLength(1);
      expect(controller.acks[0]).toMatchObject({
        transid: ['left', 1],
        isSystemError: false,
        response: { subject: 'guest', response: { statusCode: 3 } },
      });
      expect((await registry.listInFlight('balancer0')).map(({ activationId }) => activationId)).toEqual([id(2)]);
    });

    it('hands on what its predecessor had waiting, byte for byte and once', async () => {
      const message = activationText(id(4), { extra: 1.5 }).replace('1.5', '1.0');
      const left = await crashedWith([{ activationId: id(4), invoker: -1, message }]);
      const { controller, invokers, registry } = await started(left);
      await until(() => controller.slots.has(id(4)));
      expect(invokers.flatMap(({ received }) => received.map(({ text }) => text))).toEqual([message]);
      await until(async () => (await registry.listInFlight('balancer0')).length === 0);
      expect(controller.acks).toHaveLength(1);
    });

    it('writes down what waits, and forgets it when it is answered', async () => {
      const { controller, registry } = await started({ overrides: { invokerInFlightMax: 1 } });
      for (const invoker of cluster.invokers) invoker.automatic = false;
      for (let count = 0; count < 4; count += 1) await controller.invoke();
      const waiting = async (): Promise<InFlight[]> =>
        (await registry.listInFlight('balancer0')).filter(({ message }) => message !== undefined);
      await until(async () => (await waiting()).length > 0);
      await cluster.advance(31);
      await until(async () => (await waiting()).length === 0);
    });

    it('leaves what is in flight at a shutdown to its successor', async () => {
      const first = await started({ overrides: { drainMsMax: 0 } });
      const [invoker] = first.invokers;
      if (invoker === undefined) throw new Error('no invoker');
      invoker.automatic = false;
      const activationId = await first.controller.invoke();
      await until(() => invoker.received.length === 1);
      await first.balancer.stop();
      await until(() => first.controller.pings.at(-1)?.isEnabled === false);
      await invoker.answer(activationId);
      const successor = first.newBalancer();
      await successor.start();
      await until(() => first.controller.slots.has(activationId));
      await successor.stop();
      expect(first.controller.slots.get(activationId)).toBe(1);
    });

    it('drains before it stops', async () => {
      const { controller, invokers, balancer } = await started({ overrides: { drainMsMax: 10_000 } });
      const [invoker] = invokers;
      if (invoker === undefined) throw new Error('no invoker');
      invoker.automatic = false;
      const activationId = await controller.invoke();
      await until(() => invoker.received.length === 1);
      const stopping = balancer.stop();
      await invoker.answer(activationId);
      await stopping;
      expect(controller.slots.get(activationId)).toBe(1);
    });

    it('passes on the ack of what it had only begun to read when it was told to stop', async () => {
      const entities = entitiesOf({ 'guest/vision/classify': actionOf('nodejs:tetris') });
      let read = (): void => undefined;
      const reading = new Promise<void>((resolve) => (read = resolve));
      const getAction = entities.getAction.bind(entities);
      entities.getAction = async (id, revision) => {
        await reading;
        return getAction(id, revision);
      };
      const { controller, invokers, balancer } = await started({ entities, overrides: { drainMsMax: 10_000 } });
      const activationId = await controller.invoke();
      const stopping = balancer.stop();
      read();
      await stopping;
      expect(invokers[0]?.received).toHaveLength(1);
      expect(controller.slots.get(activationId)).toBe(1);
    });
  });

  describe('without its registry', () => {
    it('goes on, slowed down once at most', async () => {
      const registry = new MemoryRegistry();
      let writes = 0;
      registry.putInFlight = async () => {
        writes += 1;
        if (writes % 2 === 0) throw new PluginError('ERR_STORE_UNAVAILABLE', 'away', { retriable: true });
        return new Promise(() => undefined);
      };
      const { controller } = await started({ registry });
      const ids = await Promise.all(Array.from({ length: 20 }, async () => controller.invoke()));
      await until(() => ids.every((id) => controller.slots.has(id)));
    });
  });

  describe('beside a second load balancer', () => {
    it('takes the acks of its own activations only, and the other goes on when one dies', async () => {
      const first = await started({ invokers: 2, overrides: { userMemory: '1g' } });
      const second = first.newBalancer({ firstVirtualInvoker: 1 });
      await second.start();
      await first.beat();
      await until(() => second.fleet.usable('any', first.nowMs).length === 2);
      const { controller } = first;
      const ids = await Promise.all(Array.from({ length: 100 }, async (_, index) => controller.invoke({}, index % 2)));
      await until(() => ids.every((id) => controller.slots.has(id)));
      for (const [index, id] of ids.entries()) {
        const ack = controller.acks.find(
          ({ response }) => typeof response === 'object' && response.activationId === id,
        );
        expect(ack?.instance?.instance).toBe(index % 2);
      }
      expect([...controller.slots.values()].every((count) => count === 1)).toBe(true);
      await first.balancer.stop();
      const later = await controller.invoke({}, 1);
      await until(() => controller.slots.has(later));
      await second.stop();
    });
  });

  it('answers each of a thousand activations exactly once, whatever invokers do', async () => {
    const seed = testSeed();
    const below = randomFrom(seed);
    const { controller, invokers } = await started({
      invokers: 3,
      entities: entitiesOf({
        'guest/vision/classify': actionOf('nodejs:tetris'),
        'guest/plain': actionOf('nodejs:20'),
      }),
      overrides: { invokerInFlightMax: 40, lostMs: 15_000 },
    });
    for (const invoker of invokers) invoker.automatic = false;
    const ids: string[] = [];
    const answered = new Map<number, number>();
    for (let step = 0; step < 400; step += 1) {
      for (let count = below(6); count > 0; count -= 1) {
        const action = below(2) === 0 ? { path: 'guest', name: 'plain' } : { path: 'guest/vision', name: 'classify' };
        ids.push(await controller.invoke({ action, blocking: below(2) === 0 }));
      }
      const invoker = invokers[below(3)];
      if (invoker === undefined) continue;
      for (let count = below(8); count > 0; count -= 1) {
        const at = answered.get(invoker.instance) ?? 0;
        const one = invoker.received[at];
        if (one === undefined || !invoker.alive) break;
        answered.set(invoker.instance, at + 1);
        const { activationId, transid } = one;
        const completion = { transid, activationId, isSystemError: false, instance: invoker.id() };
        const result = { transid, response: invoker.record(activationId, below(3)) };
        const split = one.blocking ? [result, completion] : [completion];
        const acks = below(3) === 0 ? [{ ...completion, ...result }] : below(2) === 0 ? split : split.reverse();
        for (const ack of acks) for (let copy = below(2); copy >= 0; copy -= 1) await invoker.ack(ack);
      }
      if (below(40) === 0) invoker.alive = false;
      if (below(4) === 0) await cluster.advance(1);
      if (below(20) === 0) for (const one of invokers) one.alive = true;
    }
    for (const invoker of invokers) invoker.alive = true;
    for (let second = 0; second < 240 && ids.some((id) => !controller.slots.has(id)); second += 1) {
      for (const invoker of invokers) {
        await invoker.ping();
        await invoker.status({ running: 0 });
        for (const { activationId, transid } of invoker.received) await invoker.answer(activationId, transid);
      }
      cluster.nowMs += 1_000;
      await cluster.balancer.tick();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const books = {
      unanswered: ids.filter((id) => !controller.slots.has(id)).length,
      slotsTwice: [...controller.slots.values()].filter((count) => count > 1).length,
      left: cluster.balancer.load,
      inFlight: cluster.balancer.fleet.all().map(({ inFlight }) => inFlight),
      recorded: (await cluster.registry.listInFlight('balancer0')).length,
    };
    try {
      expect(books).toEqual({
        unanswered: 0,
        slotsTwice: 0,
        left: { inFlight: 0, waiting: 0 },
        inFlight: [0, 0, 0],
        recorded: 0,
      });
    } catch (error) {
      throw new Error(`seed ${seed}, ${ids.length} activations`, { cause: error });
    }
  });
});
