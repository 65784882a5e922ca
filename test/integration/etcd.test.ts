/** What the plugin asks of etcd, on a real one: whatever happens to it, its lease or the line to it. */
import { setTimeout as delay } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { type EtcdServer, startEtcd } from '@tetris/bench/servers';
import { createLogger, type EtcdWatcher, LeasedKeys } from '@tetris/common';
import { GrpcEtcd } from '@tetris/common/etcd';
import { NetworkLink } from '../support/network-link';
import { until } from '../support/until';
const log = createLogger('etcd', 'silent');
const TTL_MS = 2_000;

/** What a watcher knows, and how often it was told everything. */
class View implements EtcdWatcher {
  readonly entries = new Map<string, string>();
  readonly puts: string[] = [];
  presents = 0;
  present(entries: readonly { key: string; value: string }[]): void {
    this.presents += 1;
    this.entries.clear();
    for (const { key, value } of entries) this.entries.set(key, value);
  }
  put({ key, value }: { key: string; value: string }): void {
    this.puts.push(`${key}=${value}`);
    this.entries.set(key, value);
  }
  deleted(key: string): void {
    this.entries.delete(key);
  }
  toJSON(): Record<string, string> {
    return Object.fromEntries(this.entries);
  }
}

describe('etcd', () => {
  let server: EtcdServer;
  let link: NetworkLink;
  /** Over the line, and beside it. */
  let etcd: GrpcEtcd;
  let direct: GrpcEtcd;
  let prefix = '';
  let count = 0;

  const connect = (address: string): GrpcEtcd =>
    new GrpcEtcd(
      { hosts: [address], credentials: credentials.createInsecure(), requestMsMax: 1_000, watchSilenceMs: 1_000 },
      log,
    );

  beforeAll(async () => {
    server = await startEtcd();
    direct = connect(server.address);
  });
  afterAll(async () => {
    await direct?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    prefix = `t${(count += 1)}/`;
    link = new NetworkLink(server.port);
    etcd = connect(`127.0.0.1:${await link.open()}`);
  });
  afterEach(async () => {
    await etcd.close();
    await link.close();
  });

  const watched = async (): Promise<View> => {
    const view = new View();
    await etcd.watch(prefix, view);
    return view;
  };
  const present = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await direct.list(prefix)).map(({ key, value }) => [key.slice(prefix.length), value]));

  it('reads, writes and deletes; a transaction is all or nothing', async () => {
    await etcd.put(`${prefix}a`, 'ä');
    expect(await etcd.get(`${prefix}a`)).toBe('ä');
    expect(await etcd.get(`${prefix}b`)).toBeUndefined();
    const claim = [{ key: `${prefix}b`, is: 'absent' }] as const;
    const changes = [{ put: `${prefix}b`, value: '1' }, { delete: `${prefix}a` }];
    expect(await etcd.transact(claim, changes)).toBe(true);
    expect(await etcd.transact(claim, [{ put: `${prefix}b`, value: '2' }])).toBe(false);
    expect(
      await etcd.transact([{ key: `${prefix}b`, is: 'value', value: '1' }], [{ put: `${prefix}c`, value: '3' }]),
    ).toBe(true);
    expect(await present()).toEqual({ b: '1', c: '3' });
    await etcd.delete(`${prefix}b`);
    await etcd.delete(`${prefix}b`);
    expect(await etcd.list(prefix)).toEqual([{ key: `${prefix}c`, value: '3', leaseId: 0n }]);
  });

  it('tells what is there, then every change, the same value again too', async () => {
    await etcd.put(`${prefix}a`, '1');
    const view = await watched();
    expect(view.toJSON()).toEqual({ [`${prefix}a`]: '1' });
    await etcd.put(`${prefix}a`, '1');
    await etcd.put(`${prefix}b`, '2');
    await etcd.delete(`${prefix}a`);
    await until(() => JSON.stringify(view) === JSON.stringify({ [`${prefix}b`]: '2' }), 'all is told');
    expect([view.presents, view.puts]).toEqual([1, [`${prefix}a=1`, `${prefix}b=2`]]);
  });

  it('goes on after a cut line with the first change that was missed', async () => {
    const view = await watched();
    for (let n = 0; n < 20; n += 1) {
      if (n % 5 === 0) link.cut();
      await direct.put(`${prefix}a`, String(n));
    }
    await until(() => view.puts.length >= 20, 'all changes are told');
    expect([view.presents, view.puts]).toEqual([1, Array.from({ length: 20 }, (_, n) => `${prefix}a=${n}`)]);
  });

  it('tells everything anew where the changes missed were compacted away', async () => {
    const view = await watched();
    link.partition();
    link.cut();
    await direct.put(`${prefix}a`, '1');
    await direct.delete(`${prefix}a`);
    await direct.put(`${prefix}b`, '2');
    await compact();
    link.heal();
    await until(() => view.presents === 2, 'it is told anew');
    expect(view.toJSON()).toEqual({ [`${prefix}b`]: '2' });
    await direct.put(`${prefix}c`, '3');
    await until(() => view.entries.size === 2, 'and the next change');
  });

  async function compact(): Promise<void> {
    const ask = async (path: string, body: object): Promise<{ header: { revision: string } }> => {
      const url = `http://${server.address}/v3/kv/${path}`;
      const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
      return (await answer.json()) as never;
    };
    const { header } = await ask('range', { key: 'eA==' });
    await ask('compaction', { revision: header.revision, physical: true });
  }

  it('notices a line that has gone silent, and goes on when it is back', async () => {
    const view = await watched();
    link.partition();
    await direct.put(`${prefix}a`, '1');
    await expect(etcd.get(`${prefix}a`)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retriable: true });
    await delay(2_000);
    link.heal();
    await until(() => view.entries.has(`${prefix}a`), 'the change is told');
    expect(view.presents).toBe(1);
  });

  it('bears slow answers, and gives up on those that take too long', async () => {
    link.delayMs = 300;
    await etcd.put(`${prefix}a`, '1');
    link.delayMs = 1_500;
    await expect(etcd.put(`${prefix}a`, '2')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retriable: true });
    link.delayMs = 0;
    await etcd.put(`${prefix}a`, '3');
    expect(await present()).toEqual({ a: '3' });
  });

  it('goes on with a member that comes back', async () => {
    const view = await watched();
    await etcd.put(`${prefix}a`, '1');
    await server.down();
    await expect(etcd.put(`${prefix}a`, '2')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retriable: true });
    await server.up();
    await until(
      async () =>
        etcd.put(`${prefix}a`, '3').then(
          () => true,
          () => false,
        ),
      'it can be written',
    );
    await until(() => view.entries.get(`${prefix}a`) === '3', 'it is told');
  });

  it('takes the next member where one is away', async () => {
    const both = new GrpcEtcd(
      {
        hosts: ['127.0.0.1:1', server.address],
        credentials: credentials.createInsecure(),
        requestMsMax: 1_000,
        watchSilenceMs: 1_000,
      },
      log,
    );
    await expect(both.get(`${prefix}a`)).rejects.toMatchObject({ retriable: true });
    expect(await both.get(`${prefix}a`)).toBeUndefined();
    await both.close();
  });

  describe('a lease', () => {
    it('expected failure: has ended, for a renewal and for a key', async () => {
      const { id, ttlMs } = await etcd.grantLease(TTL_MS);
      expect(ttlMs).toBeGreaterThanOrEqual(TTL_MS);
      expect(await etcd.renewLease(id)).toBe(ttlMs);
      await etcd.revokeLease(id);
      await etcd.revokeLease(id);
      await expect(etcd.renewLease(id)).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
      await expect(etcd.put(`${prefix}a`, '1', id)).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
    });

    it('keeps keys for as long as it is renewed, and takes them along', async () => {
      const keys = new LeasedKeys(etcd, { ttlMs: TTL_MS }, log);
      await Promise.all(Array.from({ length: 250 }, (_, n) => keys.put(`${prefix}${n}`, 'x')));
      expect(Object.keys(await present())).toHaveLength(250);
      await keys.delete(`${prefix}0`);
      await delay(2 * TTL_MS);
      expect(Object.keys(await present())).toHaveLength(249);
      await keys.close();
      expect(await present()).toEqual({});
    });

    it('is replaced where it was lost, and every key is written again', async () => {
      const keys = new LeasedKeys(etcd, { ttlMs: TTL_MS }, log);
      await keys.put(`${prefix}a`, '1');
      await keys.put(`${prefix}b`, '2');
      const first = keys.leaseId ?? 0n;
      await direct.revokeLease(first);
      expect(await present()).toEqual({});
      await until(async () => Object.keys(await present()).length === 2, 'both are back');
      expect(keys.leaseId).not.toBe(first);
      await keys.close();
    });

    it('is replaced after a partition longer than its life, with what was changed meanwhile', async () => {
      const keys = new LeasedKeys(etcd, { ttlMs: TTL_MS }, log);
      await keys.put(`${prefix}a`, '1');
      await keys.put(`${prefix}b`, '1');
      link.partition();
      const changing = [keys.put(`${prefix}a`, '2'), keys.delete(`${prefix}b`), keys.put(`${prefix}c`, '3')];
      await until(async () => Object.keys(await present()).length === 0, 'etcd has let go of them');
      link.heal();
      await Promise.all(changing);
      await until(async () => JSON.stringify(await present()) === '{"a":"2","c":"3"}', 'it is as wanted');
      await keys.close();
    });

    it('writes a key again that has its value already, which those who watch are told', async () => {
      const view = await watched();
      const keys = new LeasedKeys(etcd, { ttlMs: TTL_MS }, log);
      await keys.put(`${prefix}a`, '1');
      await keys.put(`${prefix}a`, '1');
      await until(() => view.puts.length === 2, 'two events');
      await keys.close();
      await until(() => view.entries.size === 0, 'it is gone');
    });

    it('leaves its keys to the end of the lease where etcd is away at the close', async () => {
      const keys = new LeasedKeys(etcd, { ttlMs: TTL_MS }, log);
      await keys.put(`${prefix}a`, '1');
      link.partition();
      await keys.close();
      await until(async () => Object.keys(await present()).length === 0, 'it has run out');
    });
  });
});
