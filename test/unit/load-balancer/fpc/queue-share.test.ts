import type { Etcd, EtcdEntry, EtcdWatcher } from '@tetris/common';
import { EtcdKeys } from '../../../../load-balancer/src/fpc/etcd-keys';
import { QueueShare } from '../../../../load-balancer/src/fpc/queue-share';

const keys = new EtcdKeys('whisk');
const entry = (invoker: number, status: string, tags: string[] = ['tetris']): EtcdEntry => ({
  key: keys.invoker(invoker, `lb-${invoker}`),
  leaseId: 1n,
  value: JSON.stringify({
    status,
    freeMemory: 1024,
    busyMemory: 0,
    inProgressMemory: 0,
    tags,
    dedicatedNamespaces: [],
  }),
});
const QUEUES = Array.from({ length: 300 }, (_, n) => `whisk/queue/guest/guest/action${n}/leader`);

async function setUp(entries: EtcdEntry[]) {
  const watchers: EtcdWatcher[] = [];
  const etcd: Pick<Etcd, 'watch'> = {
    watch: async (_prefix, watcher) => {
      watchers.push(watcher);
      watcher.present(entries);
      return () => undefined;
    },
  };
  const shares = await Promise.all(
    [100, 101, 102].map(async (invoker) => {
      const share = new QueueShare(etcd as Etcd, keys, { invoker, tags: ['tetris'] });
      await share.start();
      return share;
    }),
  );
  const counts = (): number[] => shares.map((share) => QUEUES.filter((queue) => share.isOurs(queue)).length);
  return { watchers, counts };
}

describe('a new queue', () => {
  it('is pulled by one of the load balancers that are up, and by no stock invoker', async () => {
    const { counts } = await setUp([entry(100, 'up'), entry(101, 'up'), entry(102, 'up'), entry(7, 'up', [])]);
    expect(counts().reduce((sum, count) => sum + count)).toBe(QUEUES.length);
    expect(Math.min(...counts())).toBeGreaterThan(QUEUES.length / 6);
  });

  it('is left to the others where one is down, is gone, or says what cannot be read', async () => {
    const { watchers, counts } = await setUp([entry(100, 'up'), entry(101, 'unhealthy'), entry(102, 'up')]);
    expect(counts()[1]).toBe(0);
    for (const watcher of watchers) watcher.deleted(entry(100, 'up').key);
    expect(counts()).toEqual([0, 0, QUEUES.length]);
    for (const watcher of watchers) watcher.put({ ...entry(102, 'up'), value: '{' });
    expect(counts()).toEqual([0, 0, 0]);
  });
});
