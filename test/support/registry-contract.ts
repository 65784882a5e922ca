/** What every {@link Registry} promises. Run it against each adapter. */
import type {
  ActionManifest,
  InFlight,
  InventoryDelta,
  InvokerStatus,
  Registry,
  RegistryEvents,
  TensorRef,
} from '@tetris/common';
import { until } from './until';

export interface RegistryUnderTest {
  /** A registry of its own over the same data, as another process would have. */
  connect: (this: void) => Registry;
}

export const tensor = (digit: string, bytes = 4096): TensorRef => ({ sha256: digit.repeat(64), bytes });

export const invokerStatus = (instance: number, changes: Partial<InvokerStatus> = {}): InvokerStatus => ({
  instance,
  node: `node-${instance}`,
  atMs: Date.now(),
  memoryBytes: 8 * 1024 ** 3,
  memoryUsedBytes: 1024 ** 3,
  running: 1,
  waiting: 0,
  warm: [{ action: 'guest/classify@1-a', namespace: 'guest', capacity: 4, inUse: 1 }],
  draining: false,
  ...changes,
});

export const inFlight = (digit: string): InFlight => ({
  activationId: digit.repeat(32),
  virtualInvoker: 0,
  invoker: 3,
  controller: '0',
  transid: ['Zt4vQ9mB1xKc7LwYp3RsNf6HdJ2aGe80', 1767225600123, true],
  blocking: true,
  deadlineMs: Date.now() + 180_000,
  namespace: 'guest',
  action: 'guest/vision/classify',
});

/** What a watcher has been told, put together as the load balancer does. */
export class Told implements RegistryEvents {
  readonly inventories = new Map<string, Map<string, number>>();
  readonly statuses = new Map<number, InvokerStatus>();
  readonly manifests = new Map<string, ActionManifest>();
  deltas = 0;

  inventory = (node: string, { tensors }: { tensors: TensorRef[] }): void => {
    this.inventories.set(node, new Map(tensors.map(({ sha256, bytes }) => [sha256, bytes])));
  };
  inventoryDelta = (node: string, { added, removed }: InventoryDelta): void => {
    this.deltas += 1;
    const tensors = this.inventories.get(node);
    if (tensors === undefined) throw new Error('a delta came before the first snapshot');
    for (const { sha256, bytes } of added) tensors.set(sha256, bytes);
    for (const sha256 of removed) tensors.delete(sha256);
  };
  status = (status: InvokerStatus): void => void this.statuses.set(status.instance, status);
  manifest = (action: string, manifest: ActionManifest): void => void this.manifests.set(action, manifest);

  /** Digits of a node's tensors, in order. */
  digits(node: string): string {
    return [...(this.inventories.get(node)?.keys() ?? [])]
      .map((sha256) => sha256[0])
      .sort()
      .join('');
  }
}

/** Every test has nodes and actions of its own, so that one server serves all of them. */
let tests = 0;

/** @param subject called before each test, when a `beforeAll` has started the server */
export function registryContract(name: string, subject: () => RegistryUnderTest): void {
  describe(`${name} as a registry`, () => {
    let publisher: Registry;
    let reader: Registry;
    let node: string;
    beforeEach(() => {
      const { connect } = subject();
      publisher = connect();
      reader = connect();
      node = `node-${(tests += 1)}`;
    });
    afterEach(async () => {
      await reader.close();
      await publisher.close();
    });

    it('tells a new watcher the present state before anything else', async () => {
      await publisher.publishInventory(node, { sequence: 7, tensors: [tensor('a'), tensor('b', 10)] });
      await publisher.publishStatus(invokerStatus(tests));
      await publisher.putManifest(`guest/${node}@1-a`, { tensors: [tensor('a')], privateBytes: 5 });
      const told = new Told();
      await reader.watch(told);
      expect(told.inventories.get(node)?.get('b'.repeat(64))).toBe(10);
      expect(told.digits(node)).toBe('ab');
      expect(told.statuses.get(tests)).toMatchObject({ instance: tests, warm: [{ capacity: 4, inUse: 1 }] });
      expect(told.manifests.get(`guest/${node}@1-a`)).toEqual({ tensors: [tensor('a')], privateBytes: 5 });
    });

    it('tells every change after that', async () => {
      const told = new Told();
      await reader.watch(told);
      await publisher.publishInventory(node, { sequence: 1, tensors: [tensor('a')] });
      await until(() => told.digits(node) === 'a');
      await publisher.publishInventoryDelta(node, { sequence: 2, added: [tensor('b')], removed: [] });
      await publisher.publishInventoryDelta(node, { sequence: 3, added: [tensor('c')], removed: ['a'.repeat(64)] });
      await until(() => told.digits(node) === 'bc');
      await publisher.publishStatus(invokerStatus(tests, { running: 9 }));
      await publisher.putManifest(`guest/${node}@1-a`, { tensors: [], privateBytes: 1 });
      await until(() => told.statuses.get(tests)?.running === 9);
      await until(() => told.manifests.get(`guest/${node}@1-a`)?.privateBytes === 1);
      expect(told.deltas).toBeGreaterThan(0);
    });

    it('ends at the same set after many changes at once', async () => {
      const told = new Told();
      await reader.watch(told);
      await publisher.publishInventory(node, { sequence: 0, tensors: [] });
      const digits = [...'0123456789abcdef'];
      await Promise.all(
        digits.map((digit, index) =>
          publisher.publishInventoryDelta(node, {
            sequence: index + 1,
            added: [tensor(digit)],
            removed: index % 3 === 2 ? [(digits[index - 1] ?? '').repeat(64)] : [],
          }),
        ),
      );
      await until(() => told.digits(node) === '02356' + '89bcef');
      const late = new Told();
      await reader.watch(late);
      expect(late.digits(node)).toBe('0235689bcef');
    });

    it('starts over with the snapshot of a node that counts from the beginning again', async () => {
      await publisher.publishInventory(node, { sequence: 40, tensors: [tensor('a')] });
      const told = new Told();
      await reader.watch(told);
      await publisher.publishInventory(node, { sequence: 1, tensors: [tensor('d')] });
      await until(() => told.digits(node) === 'd');
      await publisher.publishInventoryDelta(node, { sequence: 2, added: [tensor('e')], removed: [] });
      await until(() => told.digits(node) === 'de');
    });

    it('is silent after the watcher has unsubscribed', async () => {
      const told = new Told();
      const witness = new Told();
      const unsubscribe = await reader.watch(told);
      await reader.watch(witness);
      unsubscribe();
      await publisher.publishStatus(invokerStatus(tests));
      await until(() => witness.statuses.has(tests));
      expect(told.statuses.has(tests)).toBe(false);
    });

    it('finds a manifest by action and revision, and nothing for another revision', async () => {
      const manifest = { tensors: [tensor('a'), tensor('b')], privateBytes: 77 };
      await publisher.putManifest(`guest/${node}@1-a`, manifest);
      expect(await reader.getManifest(`guest/${node}@1-a`)).toEqual(manifest);
      expect(await reader.getManifest(`guest/${node}@2-b`)).toBeUndefined();
    });

    it('gives the next process of an owner what the last one had in flight', async () => {
      await Promise.all([...'abc'].map((digit) => publisher.putInFlight(node, inFlight(digit))));
      await publisher.deleteInFlight(node, 'b'.repeat(32));
      const entries = await reader.listInFlight(node);
      expect(entries.map(({ activationId }) => activationId[0]).sort()).toEqual(['a', 'c']);
      expect(entries.find(({ activationId }) => activationId.startsWith('a'))?.transid).toEqual(inFlight('a').transid);
      expect(await reader.listInFlight(`${node}-other`)).toEqual([]);
    });
  });
}
