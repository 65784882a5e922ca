/** What keeps the daemon's and the registry's books: registrar, inventory, manifests. */
import { createLogger, MemoryRegistry, PluginError } from '@tetris/common';
import { Manifests } from '../../../invoker-extension/src/instances/manifests';
import { type InstanceDaemon, Registrar } from '../../../invoker-extension/src/instances/registrar';
import { InventoryPublisher } from '../../../invoker-extension/src/inventory';

const log = createLogger('test', 'silent');
const away = (): never => {
  throw new PluginError('ERR_DAEMON_UNAVAILABLE', 'away', { retriable: true });
};

/** A daemon that can go away. */
class FakeDaemon {
  readonly namespaces = new Map<string, string>();
  down = false;
  readonly registerInstance: InstanceDaemon['registerInstance'] = async (token, { namespace }) => {
    if (this.down) away();
    this.namespaces.set(token, namespace);
    return { instance: token, namespace, viewPath: `/views/${token}`, models: [] };
  };
  readonly releaseInstance: InstanceDaemon['releaseInstance'] = async (token) => {
    if (this.down) away();
    this.namespaces.delete(token);
  };
  /** None of them holds a lease. */
  readonly instances: InstanceDaemon['instances'] = async () => {
    if (this.down) away();
    return [...this.namespaces].map(([instance, namespace]) => ({ instance, namespace, viewPath: '', models: [] }));
  };
}

describe('Registrar', () => {
  const registrar = (daemon: InstanceDaemon, instance = 0): Registrar =>
    new Registrar({ daemon, instance, log, attemptsMax: 2, backoff: { firstMs: 1, maxMs: 1 } });

  it('releases in the end what could not be released while the daemon was away', async () => {
    const daemon = new FakeDaemon();
    const subject = registrar(daemon);
    const { token, viewPath } = await subject.register('guest');
    expect(viewPath).toBe(`/views/${token}`);
    daemon.down = true;
    await subject.release(token);
    expect(daemon.namespaces.size).toBe(1);
    daemon.down = false;
    await subject.reconcile();
    expect(daemon.namespaces.size).toBe(0);
  });

  it("releases what its earlier run left, and never another invoker's or a living one", async () => {
    const daemon = new FakeDaemon();
    const { token: old } = await registrar(daemon).register('guest');
    const { token: other } = await registrar(daemon, 1).register('guest');
    const subject = registrar(daemon);
    const { token: living } = await subject.register('guest');
    await subject.reconcile();
    expect(new Set(daemon.namespaces.keys())).toEqual(new Set([other, living]));
    expect(old).toMatch(/^invoker0-/);
  });

  it("announces a stem cell's namespace when it is taken, and does not mind a daemon that is away", async () => {
    const daemon = new FakeDaemon();
    const subject = registrar(daemon);
    const { token } = await subject.register('');
    await subject.assign(token, 'guest');
    expect(daemon.namespaces.get(token)).toBe('guest');
    daemon.down = true;
    await expect(subject.assign(token, 'other')).resolves.toBeUndefined();
  });

  it('expected failure: starts instances without sharing while the daemon does not answer', async () => {
    const daemon = new FakeDaemon();
    daemon.down = true;
    expect((await registrar(daemon).register('guest')).viewPath).toBeUndefined();
  });
});

describe('InventoryPublisher', () => {
  const tensor = (name: string) => ({ sha256: name.repeat(64), bytes: 1 });

  it('sends a snapshot first, then deltas, and a snapshot again after a failure', async () => {
    const registry = new MemoryRegistry();
    const seen: string[] = [];
    await registry.watch({
      inventory: (_node, { sequence }) => seen.push(`snapshot ${sequence}`),
      inventoryDelta: (_node, { sequence }) => seen.push(`delta ${sequence}`),
    });
    let fails = false;
    const daemon = {
      inventory: async (since?: number) => {
        if (fails) away();
        if (since === undefined) return { snapshot: { sequence: 1, tensors: [tensor('a')] } };
        return { deltas: [{ sequence: since + 1, added: [tensor('b')], removed: [] }], sequence: since + 1 };
      },
    };
    const subject = new InventoryPublisher({
      daemon,
      registry,
      node: 'n',
      log,
      intervalMs: 1000,
      snapshotIntervalMs: 60_000,
    });
    await subject.publish();
    await subject.publish();
    fails = true;
    await subject.publish();
    fails = false;
    await subject.publish();
    expect(seen).toEqual(['snapshot 1', 'delta 2', 'snapshot 1']);
  });
});

describe('Manifests', () => {
  it('asks the registry once for what nobody knows, and again after a while', async () => {
    let nowMs = 1_000;
    let asked = 0;
    const registry = new MemoryRegistry();
    const counting = {
      putManifest: registry.putManifest.bind(registry),
      getManifest: (key: string) => ((asked += 1), registry.getManifest(key)),
    };
    const subject = new Manifests({ registry: counting, log, entriesMax: 2, unknownTtlMs: 100, nowMs: () => nowMs });
    await subject.load('a');
    await subject.load('a');
    expect([asked, subject.get('a')]).toEqual([1, undefined]);
    await registry.putManifest('a', { tensors: [], privateBytes: 5 });
    nowMs = 1_101;
    await subject.load('a');
    await subject.load('a');
    expect([asked, subject.get('a')]).toEqual([2, { tensors: [], privateBytes: 5 }]);
  });

  it('forgets the oldest past its bound, and tells the registry what was measured here', async () => {
    const registry = new MemoryRegistry();
    const subject = new Manifests({ registry, log, entriesMax: 2, unknownTtlMs: 100, nowMs: () => 0 });
    for (const name of ['a', 'b', 'c']) await subject.learned(name, { tensors: [], privateBytes: 1 });
    expect(['a', 'b', 'c'].map((name) => subject.get(name) !== undefined)).toEqual([false, true, true]);
    expect(await registry.getManifest('a')).toEqual({ tensors: [], privateBytes: 1 });
  });
});
