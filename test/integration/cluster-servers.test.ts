/** The whole cluster while the servers that it stands on go away and come back. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Action } from '@tetris/common';
import { Cluster, sleeper } from '../support/cluster/cluster';
import { streamDuring, type StreamReport } from '../support/cluster/stream';
import { until } from '../support/until';

jest.setTimeout(600_000);

describe('a cluster whose servers go away', () => {
  let cluster: Cluster;
  let action: Action;
  beforeAll(async () => {
    cluster = await Cluster.start();
    action = await cluster.putAction(sleeper('steady'));
    await cluster.call(action, { n: 0 });
  });
  afterAll(() => cluster?.stop());

  const succeeded = ({ outcomes }: StreamReport): number =>
    outcomes.filter(({ statusCode }) => statusCode === 0).length;

  it('goes on without Redis, and with one that comes back empty', async () => {
    const report = await streamDuring(cluster, action, 20, async () => {
      await delay(1_000);
      await cluster.redis.down();
      await delay(3_000);
      await cluster.redis.up();
      await delay(2_000);
    });
    expect(report.refused).toBe(0);
    expect(succeeded(report)).toBe(report.outcomes.length);
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });

  it('answers with known actions while CouchDB is away for 30 s, and stores every record afterwards', async () => {
    const before = await cluster.store.countActivations('guest', {});
    const report = await streamDuring(cluster, action, 100, async () => {
      await cluster.couch.down();
      await delay(30_000);
      await cluster.couch.up();
    });
    expect(report.refused).toBe(0);
    expect(succeeded(report)).toBe(report.outcomes.length);
    await until(
      async () => (await cluster.store.countActivations('guest', {})) === before + report.outcomes.length,
      'every record is stored',
    );
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });

  it('expected failure: answers an action that it does not know with an error while CouchDB is away', async () => {
    const stranger = await cluster.putAction(sleeper('stranger'));
    await cluster.couch.down();
    try {
      expect(await cluster.call(stranger, { n: 1 })).toMatchObject({ statusCode: 3 });
    } finally {
      await cluster.couch.up();
    }
    expect(await cluster.call(stranger, { n: 1 })).toMatchObject({ statusCode: 0 });
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });

  it('answers everything that the broker had accepted when it was restarted', async () => {
    const report = await streamDuring(cluster, action, 20, async () => {
      await delay(1_000);
      await cluster.kafka.restart();
      await cluster.healthy();
      await delay(2_000);
    });
    await cluster.level(100_000);
    expect(report.outcomes.length).toBeGreaterThan(100);
    // An ack that may have been written already is sent again, as the other way would hold a permit for minutes; stock
    // controllers ignore the second.
    const violations = cluster
      .violationsBut('second-completion', 'second-result')
      .filter(({ activationId }) => !report.uncertain.has(activationId ?? ''));
    expect(violations).toEqual([]);
    // What may have been written on its way to an invoker is not sent twice; where it was not, it never ran, and its
    // answer is the error that stock gives for what is lost.
    const handedOn = await Promise.all(cluster.invokers.map((_, index) => cluster.handedOnTo(index)));
    const failed = report.outcomes.filter(({ statusCode }) => statusCode !== 0);
    expect(failed.filter(({ activationId }) => handedOn.some((ids) => ids.has(activationId)))).toEqual([]);
    expect(failed.map(({ statusCode }) => statusCode)).toEqual(failed.map(() => 3));
    expect([...report.forced]).toEqual([]);
  });
});
