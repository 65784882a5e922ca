import { type InvokerStatus, actionKey } from '@tetris/common';
import { Fleet, type Placement, Placer, type PlacementRequest, SimilarityIndex, homeHash } from '@tetris/load-balancer';
import { GIB, statusOf } from './cluster';
import { randomFrom, testSeed } from '../../support/random';

const MIB = 1024 ** 2;
const RULES = {
  tetrisKinds: ['nodejs:tetris'],
  plainKinds: ['nodejs:2*'],
  inFlightMax: 8,
  queuedShare: 0.5,
  startMsMax: 20_000,
  managedFraction: 0.9,
  blackboxFraction: 0.1,
};
const tensor = (name: string, bytes: number): { sha256: string; bytes: number } => ({
  sha256: name.padStart(64, '0'),
  bytes,
});

class World {
  nowMs = 0;
  readonly fleet = new Fleet({
    silenceMs: 10_000,
    stockGraceMs: 0,
    suspectMs: 60_000,
    forgetMs: 60_000,
    invokersMax: 100,
  });
  readonly similarity = new SimilarityIndex({ actionsMax: 100, nodesMax: 100 });
  readonly placer = new Placer(this.fleet, this.similarity, RULES, () => 0.99);

  tetris(
    instance: number,
    freeBytes: number,
    warm: InvokerStatus['warm'] = [],
    running = 0,
    overrides: Partial<InvokerStatus> = {},
  ): void {
    const status = statusOf(instance, { memoryUsedBytes: 4 * GIB - freeBytes, running, warm, ...overrides });
    const invoker = this.fleet.status(status, this.nowMs);
    if (invoker === undefined) throw new Error('not met');
    invoker.nodeIndex = this.similarity.nodeIndex(status.node);
    this.similarity.setLiving(
      instance,
      status.node,
      warm.map(({ action }) => action),
    );
    this.placer.instances.observe(invoker, warm, this.nowMs);
    this.ping(instance);
  }

  stock(instance: number): void {
    this.ping(instance);
    this.ping(instance);
  }

  ping(instance: number): void {
    const name = {
      instance,
      userMemory: '1024 MB',
      instanceType: 'invoker' as const,
      tags: [],
      dedicatedNamespaces: [],
    };
    this.fleet.ping({ name }, this.nowMs);
  }

  place(overrides: Partial<PlacementRequest> = {}): Placement {
    return this.placer.place(
      {
        actionKey: actionKey('guest/classify', '1-a'),
        action: 'guest/classify',
        namespace: 'guest',
        kind: 'nodejs:tetris',
        memoryBytes: 256 * MIB,
        concurrency: 2,
        ...overrides,
      },
      this.nowMs,
    );
  }
}

const where = (placement: Placement): string =>
  'invoker' in placement ? `${placement.outcome} ${placement.invoker.instance}` : placement.outcome;
const give = (placement: Placement): void => {
  if ('release' in placement) placement.release();
};

describe('Placer', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  describe('of a tetris kind', () => {
    const manifest = {
      tensors: [tensor('a', 300 * MIB), tensor('b', 100 * MIB)],
      privateBytes: 50 * MIB,
    };

    it('sends for instances to start no more than a part of the window, though there is memory for more', () => {
      world.tetris(0, 4_000 * MIB);
      const sent = Array.from({ length: 20 }, () => where(world.place({ concurrency: 1 })));
      expect(sent.filter((text) => text === 'home 0')).toHaveLength(RULES.queuedShare * RULES.inFlightMax);
      expect(sent.at(-1)).toBe('saturated');
      // The rest of the window is for others.
      const other = { action: 'guest/other', actionKey: actionKey('guest/other', '1') };
      expect(where(world.place(other))).toBe('home 0');
    });

    it('prefers the node that holds most of the tensors, and the emptier of equals', () => {
      for (const instance of [0, 1, 2, 3]) world.tetris(instance, (1_000 + instance) * MIB);
      world.similarity.setManifest(actionKey('guest/classify', '1-a'), manifest);
      world.similarity.setManifest(actionKey('guest/other', '1'), { tensors: [tensor('z', MIB)], privateBytes: 0 });
      expect(where(world.place({ actionKey: actionKey('guest/other', '1') }))).toBe('similar 3');
      world.similarity.changeInventory('node0', [tensor('b', 100 * MIB)], []);
      world.similarity.changeInventory('node1', [tensor('a', 300 * MIB)], []);
      world.similarity.changeInventory('node2', [tensor('a', 300 * MIB)], []);
      const placement = world.place();
      expect(where(placement)).toBe('similar 2');
      expect(placement).toMatchObject({ theta: 0.75 });
    });

    const sibling = actionKey('guest/sibling', '1');
    const living = { action: sibling, namespace: 'guest', capacity: 1, inUse: 1 };

    it('asks for room for the private memory and for tensors that no living instance holds', () => {
      world.similarity.setManifest(actionKey('guest/classify', '1-a'), manifest);
      world.similarity.setManifest(sibling, { tensors: [tensor('a', 300 * MIB)], privateBytes: MIB });
      world.tetris(0, 449 * MIB);
      world.tetris(1, 149 * MIB, [living]);
      world.tetris(2, 150 * MIB, [living]);
      for (const node of ['node1', 'node2']) world.similarity.changeInventory(node, [tensor('a', 300 * MIB)], []);
      expect(where(world.place())).toBe('similar 2');
    });

    it('does not send to a full node that has the tensors stored only, where they take memory again', () => {
      world.similarity.setManifest(actionKey('guest/classify', '1-a'), manifest);
      world.tetris(0, 60 * MIB);
      world.tetris(1, 1_000 * MIB);
      world.similarity.setInventory('node0', manifest.tensors);
      expect(where(world.place())).toBe('similar 1');
    });

    it('counts on idle instances to leave, and not on the tensors that would leave with them', () => {
      world.similarity.setManifest(actionKey('guest/classify', '1-a'), manifest);
      world.similarity.setManifest(sibling, { tensors: [tensor('a', 300 * MIB)], privateBytes: MIB });
      const idle = { memoryReclaimableBytes: 301 * MIB, memoryReclaimableTensorBytes: 300 * MIB };
      world.similarity.setInventory('node0', [tensor('a', 300 * MIB)]);
      // 100 for b and 50 of its own are not free, and ending the sibling would only free what is needed then.
      world.tetris(0, 140 * MIB, [{ ...living, inUse: 0 }], 0, idle);
      expect(where(world.place())).toBe('queued 0');
      world.tetris(0, 150 * MIB, [{ ...living, inUse: 0 }], 0, idle);
      expect(where(world.place())).toBe('similar 0');
    });

    it('learns of what instances hold when their manifest becomes known, and forgets it with them', () => {
      world.tetris(0, 160 * MIB, [living]);
      world.similarity.setManifest(actionKey('guest/classify', '1-a'), manifest);
      world.similarity.setInventory('node0', [tensor('a', 300 * MIB)]);
      expect(where(world.place())).toBe('queued 0');
      world.similarity.setManifest(sibling, { tensors: [tensor('a', 300 * MIB)], privateBytes: MIB });
      expect(where(world.place())).toBe('similar 0');
      world.tetris(0, 160 * MIB);
      expect(where(world.place({ namespace: 'another' }))).toBe('queued 0');
    });

    it('sends no more than there is room for, however many statuses were written before the invoker read of them', () => {
      const warm = { action: actionKey('guest/classify', '1-a'), namespace: 'guest', capacity: 4, inUse: 0 };
      const sent: string[] = [];
      for (let status = 0; status < 4; status += 1) {
        world.tetris(0, 0, [warm]);
        for (let more = 0; more < 4; more += 1) sent.push(where(world.place()));
      }
      expect(sent.filter((each) => each === 'warm 0')).toHaveLength(4);
    });

    it('leaves the window to actions with a warm place, and shares the rest, where one action finds no room', () => {
      const warm = { action: actionKey('guest/quiet', '1'), namespace: 'guest', capacity: 3, inUse: 0 };
      const quiet = { action: 'guest/quiet', actionKey: warm.action };
      world.tetris(0, 0, [warm]);
      const count = (outcome: string, placements: Placement[]): number =>
        placements.filter((placement) => where(placement) === outcome).length;
      const many = (length: number, request: Partial<PlacementRequest> = {}): Placement[] =>
        Array.from({ length }, () => world.place(request));
      expect(count('queued 0', many(20))).toBe(4);
      expect(count('warm 0', many(3, quiet))).toBe(3);
      // The third action may wait there as well, though the first has all that one alone might.
      expect(where(world.place({ action: 'guest/third', actionKey: actionKey('guest/third', '1') }))).toBe('queued 0');
    });

    it('leaves room to what other load balancers have sent', () => {
      const warm = { action: actionKey('guest/classify', '1-a'), namespace: 'guest', capacity: 4, inUse: 3 };
      world.tetris(0, 0, [warm]);
      expect([world.place(), world.place()].map(where)).toEqual(['warm 0', 'queued 0']);
    });

    it('goes to a warm instance with room before the best tensors', () => {
      world.similarity.setManifest(actionKey('guest/classify', '1-a'), manifest);
      const warm = { action: actionKey('guest/classify', '1-a'), namespace: 'guest', capacity: 1, inUse: 0 };
      world.tetris(0, 1_000 * MIB, [warm]);
      world.tetris(1, 1_000 * MIB, [{ ...warm, capacity: 2 }]);
      world.tetris(2, 1_000 * MIB);
      world.similarity.setInventory('node2', manifest.tensors);
      expect([world.place(), world.place(), world.place(), world.place()].map(where)).toEqual([
        'warm 1',
        'warm 0',
        'warm 1',
        'similar 2',
      ]);
      expect(where(world.place({ namespace: 'other' }))).toBe('similar 2');
    });

    it('fills an instance that is just starting, and sets its memory aside', () => {
      world.similarity.setManifest(actionKey('guest/classify', '1-a'), manifest);
      world.tetris(0, 490 * MIB);
      world.tetris(1, 480 * MIB);
      // 450 MiB for the first instance; node 0 has no room for another, though its tensors are counted once.
      expect([1, 2, 3, 4, 5].map(() => where(world.place()))).toEqual([
        'similar 0',
        'warm 0',
        'similar 1',
        'warm 1',
        'queued 0',
      ]);
    });

    it('learns from the next status whether the instance has started', () => {
      world.tetris(0, 300 * MIB);
      expect(where(world.place())).toBe('home 0');
      world.tetris(0, 300 * MIB);
      expect(where(world.place())).toBe('warm 0');
      world.nowMs = 20_001;
      world.tetris(0, 300 * MIB);
      expect(where(world.place())).toBe('home 0');
    });

    it('takes an instance for dead that two statuses do not show after an activation has ended there', () => {
      world.tetris(0, 300 * MIB);
      const first = world.place();
      world.place();
      give(first);
      world.tetris(0, 300 * MIB);
      expect(where(world.place())).toBe('warm 0');
      world.tetris(0, 300 * MIB);
      expect(where(world.place())).toBe('home 0');
    });

    it('keeps functions of one backbone together although no inventory tells yet of what they will load', () => {
      const backbone = tensor('backbone', 200 * MIB);
      const names = ['a', 'b', 'c', 'd'];
      for (const name of names) {
        const tensors = [backbone, tensor(`head-${name}`, MIB)];
        world.similarity.setManifest(actionKey(`guest/${name}`, '1'), { tensors, privateBytes: 10 * MIB });
      }
      const start = (name: string): string => where(world.place({ actionKey: actionKey(`guest/${name}`, '1') }));
      for (const instance of [0, 1, 2, 3]) world.tetris(instance, 1_000 * MIB);
      expect(names.map(start)).toEqual(names.map(() => 'similar 0'));
      // What has not arrived in time is not expected any more; what has is known by the inventory.
      world.nowMs += RULES.startMsMax;
      world.tetris(0, 900 * MIB);
      for (const instance of [1, 2, 3]) world.tetris(instance, 1_000 * MIB);
      expect(start('a')).toBe('similar 1');
    });

    it('has room again when activations end', () => {
      world.tetris(0, 300 * MIB);
      const placements = [world.place(), world.place()];
      expect(placements.map(where)).toEqual(['home 0', 'warm 0']);
      expect(where(world.place())).toBe('queued 0');
      placements.forEach(give);
      expect(where(world.place())).toBe('warm 0');
    });

    it('keeps an action whose tensors are unknown at home, and goes to the emptiest node where home has no room', () => {
      for (const instance of [0, 1, 2, 3, 4]) world.tetris(instance, (500 + instance) * MIB);
      const home = homeHash('guest', 'guest/classify') % 5;
      expect(where(world.place())).toBe(`home ${home}`);
      world.tetris(home, 100 * MIB);
      world.placer.instances.forget(world.fleet.get(home) as never);
      expect(where(world.place())).toBe(`home ${home === 4 ? 3 : 4}`);
    });

    it('queues at the shortest queue, and says saturated when everyone has all that may wait there', () => {
      world.tetris(0, 0, [], 5);
      world.tetris(1, 0, [], 0);
      const placements = Array.from({ length: 9 }, () => world.place());
      expect(where(placements[0] as Placement)).toBe('queued 1');
      expect(placements.map(where).filter((text) => text === 'queued 0')).toHaveLength(4);
      expect(placements.map(where).at(-1)).toBe('saturated');
      give(placements[3] as Placement);
      expect(world.place().outcome).toBe('queued');
    });
  });

  describe('of a mixed fleet', () => {
    it('sends tetris kinds to tetris invokers and all others to stock ones', () => {
      world.tetris(0, 1_000 * MIB);
      world.stock(1);
      expect(where(world.place())).toBe('home 0');
      expect(where(world.place({ kind: 'python:3', concurrency: 1 }))).toBe('walk 1');
      expect(where(world.place({ kind: 'nodejs:20', concurrency: 1 }))).toBe('walk 1');
      expect(where(world.place({ kind: undefined, concurrency: 1 }))).toBe('walk 1');
    });

    it('runs plain node kinds on tetris invokers where there is no stock one, and refuses others', () => {
      world.tetris(0, 1_000 * MIB);
      expect(where(world.place({ kind: 'nodejs:20' }))).toBe('home 0');
      expect(where(world.place({ kind: undefined, actionKey: 'x' }))).toBe('home 0');
      expect(where(world.place({ kind: 'python:3' }))).toBe('unserved');
    });

    it('falls back to stock invokers for a tetris kind, which may have its runtime in their manifest', () => {
      world.stock(0);
      expect(where(world.place())).toBe('walk 0');
    });

    it('says absent where nobody is usable', () => {
      expect(world.place()).toEqual({ outcome: 'absent' });
      expect(world.placer.placeProbe(0)).toEqual({ outcome: 'absent' });
    });
  });

  describe('over stock invokers', () => {
    const plain = { kind: 'python:3', concurrency: 1, memoryBytes: 512 * MIB };
    const walk = (count: number): string[] => Array.from({ length: count }, () => where(world.place(plain)));

    it('walks from home, takes whole memory limits, and forces a random one when all are full', () => {
      for (const instance of [0, 1, 2, 3]) world.stock(instance);
      const home = homeHash('guest', 'guest/classify') % 4;
      const seen = walk(8);
      expect(seen.slice(0, 2)).toEqual([`walk ${home}`, `walk ${home}`]);
      const counts = [0, 1, 2, 3].map((instance) => seen.filter((text) => text === `walk ${instance}`).length);
      expect(counts).toEqual([2, 2, 2, 2]);
      expect(walk(1)).toEqual(['walk 3']);
    });

    it('counts the slots of one container before it takes memory for another', () => {
      world.stock(0);
      const placements = Array.from({ length: 5 }, () => world.place({ ...plain, concurrency: 4 }));
      expect(world.fleet.get(0)?.reservedBytes).toBe(1_024 * MIB);
      placements.forEach(give);
      expect(world.fleet.get(0)).toMatchObject({ reservedBytes: 0, inFlight: 0 });
      expect(world.fleet.get(0)?.instances.size).toBe(0);
    });

    it('skips an unusable home but keeps its place', () => {
      for (const instance of [0, 1, 2, 3]) world.stock(instance);
      const home = homeHash('guest', 'guest/classify') % 4;
      const name = {
        instance: home,
        userMemory: '1024 MB',
        instanceType: 'invoker' as const,
        tags: [],
        dedicatedNamespaces: [],
      };
      world.fleet.ping({ name, isEnabled: false }, 0);
      expect(walk(1)).not.toEqual([`walk ${home}`]);
      world.ping(home);
      expect(walk(1)).toEqual([`walk ${home}`]);
    });

    it('gives blackbox actions the last share of the invokers', () => {
      for (let instance = 0; instance < 10; instance += 1) world.stock(instance);
      expect(where(world.place({ ...plain, kind: 'blackbox' }))).toBe('walk 9');
    });
  });

  it('ends with level books after random placements, releases and statuses', () => {
    const seed = testSeed();
    const below = randomFrom(seed);
    const running: Placement[] = [];
    const kinds = ['nodejs:tetris', 'nodejs:20', 'python:3', undefined];
    for (let step = 0; step < 5_000; step += 1) {
      world.nowMs += below(100);
      const dice = below(10);
      if (dice < 5) {
        const action = `guest/action${below(12)}`;
        const placement = world.place({
          action,
          actionKey: actionKey(action, '1'),
          namespace: `tenant${below(3)}`,
          kind: kinds[below(4)],
          concurrency: 1 + below(3),
        });
        if ('invoker' in placement) running.push(placement);
      } else if (dice < 8) {
        running.splice(below(running.length), 1).forEach(give);
      } else if (dice === 8) {
        const action = actionKey(`guest/action${below(12)}`, '1');
        world.tetris(below(4), below(4_096) * MIB, [
          { action, namespace: 'tenant0', capacity: below(6), inUse: below(3) },
        ]);
      } else {
        world.stock(4 + below(3));
      }
    }
    running.forEach(give);
    world.nowMs += 100_000;
    for (const instance of [0, 1, 2, 3]) world.tetris(instance, 0);
    const left = world.fleet
      .all()
      .map(({ inFlight, reservedBytes, instances }) => [inFlight, reservedBytes, instances.size]);
    try {
      expect(left).toEqual(left.map(() => [0, 0, 0]));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  });
});
