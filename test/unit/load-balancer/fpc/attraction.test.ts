import { createLogger, type Etcd, type EtcdWatcher, type LeasedKeys } from '@tetris/common';
import { Attraction } from '../../../../load-balancer/src/fpc/attraction';
import { EtcdKeys, type PulledAction } from '../../../../load-balancer/src/fpc/etcd-keys';
import type { SchedulerAddress } from '../../../../load-balancer/src/fpc/schedulers';

const keys = new EtcdKeys('whisk');
const up = { key: keys.invoker(100, 'lb'), value: JSON.stringify({ status: 'up', tags: ['tetris'] }), leaseId: 1n };
const leaderOf = (name: string): string => keys.leader({ namespace: 'guest', name: { path: 'guest', name } });

async function setUp() {
  const watchers = new Map<string, EtcdWatcher>();
  const etcd: Pick<Etcd, 'watch'> = {
    watch: async (prefix, watcher) => {
      watchers.set(prefix, watcher);
      watcher.present(prefix === keys.invokers ? [up] : []);
      return () => undefined;
    },
  };
  const leased: Pick<LeasedKeys, 'put' | 'delete'> = { put: async () => undefined, delete: async () => undefined };
  const action = { kind: 'nodejs:tetris', revision: '1-a', version: '0.0.1', memoryMb: 256 };
  const entityChanges = {
    actionChanges: async (since?: string) => ({
      changes: since === undefined ? [{ name: 'guest/hello', action }] : [],
      since: '1',
    }),
  };
  const seen: { action: PulledAction; scheduler: SchedulerAddress }[] = [];
  const attraction = new Attraction(
    {
      etcd: etcd as Etcd,
      keys,
      leased: leased as LeasedKeys,
      entityChanges,
      queueSeen: (pulled, scheduler) => seen.push({ action: pulled, scheduler }),
      now: () => 0,
      log: createLogger('attraction', 'silent'),
    },
    {
      invoker: 100,
      tags: ['tetris'],
      isOurKind: (kind) => kind === 'nodejs:tetris',
      actionsMax: 10,
      actionsIntervalMs: 60_000,
      newQueueHints: 4,
    },
  );
  await attraction.start();
  const put = (name: string, value: string): void =>
    watchers.get(keys.queues)?.put({ key: leaderOf(name), value, leaseId: 1n });
  return { attraction, put, seen };
}

describe('a queue that comes about', () => {
  const address = JSON.stringify({ host: 'one', rpcPort: 13001, akkaPort: 25520 });

  it('is pulled where its action is ours and we are up, and not otherwise', async () => {
    const { attraction, put, seen } = await setUp();
    put('hello', address);
    attraction.show();
    put('other', address);
    put('hello', address);
    expect(seen).toEqual([
      {
        action: { namespace: 'guest', name: { path: 'guest', name: 'hello', version: '0.0.1' }, revision: '1-a' },
        scheduler: { host: 'one', port: 13001 },
      },
    ]);
    expect(attraction.orderedMaxMb).toBe(4 * 256);
    await attraction.stop();
  });

  it('bad leader: is left to an order, and those that come after it are pulled', async () => {
    const { attraction, put, seen } = await setUp();
    attraction.show();
    put('hello', '{');
    put('hello', address);
    expect(seen).toHaveLength(1);
    await attraction.stop();
  });
});
