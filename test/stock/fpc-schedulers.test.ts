/** Two stock schedulers, which share the queues between them. See `docs/compatibility-fpc.md`. */
import { ownResults, RECOVERY_MS_MAX, Sleepers } from '../support/stock/sleepers';
import { StockCluster } from '../support/stock/stock-cluster';

jest.setTimeout(240_000);

const ACTIONS = Array.from({ length: 6 }, (_, n) => `shared${n}`);
const EACH = 20;

describe('two stock schedulers with a load balancer', () => {
  let cluster: StockCluster;
  let sleepers: Sleepers;
  beforeAll(async () => {
    cluster = await StockCluster.start({ balancer: true, schedulers: 2 });
    sleepers = new Sleepers(cluster.client);
  });
  afterAll(async () => cluster?.stop());

  it('both have queues that are pulled here, as one container each', async () => {
    for (const action of ACTIONS) {
      await sleepers.put(action);
      expect(await sleepers.call(action, { n: 0 })).toEqual({ n: 0 });
    }
    for (const scheduler of cluster.schedulers) expect(await scheduler.queues()).toBeGreaterThan(0);
    const answers = await Promise.all(ACTIONS.map(async (action) => sleepers.many(action, EACH, 500)));
    expect(answers).toEqual(ACTIONS.map(() => ownResults(EACH)));
    await cluster.level();
    expect(await cluster.observer?.keys('namespace')).toHaveLength(ACTIONS.length);
    expect(cluster.controller.complaints()).toEqual([]);
    for (const scheduler of cluster.schedulers) expect(scheduler.complaints()).toEqual([]);
  });

  it('one that is killed takes nothing along that is pulled, and the other serves its queues', async () => {
    const calls = Promise.all(ACTIONS.map(async (action) => sleepers.many(action, EACH, 5_000)));
    for (const action of ACTIONS) await cluster.handedOn(action, 1 + 2 * EACH);
    await cluster.schedulers[0]?.kill();
    const recovered = Promise.all(ACTIONS.map(async (action) => sleepers.answersAgain(action)));
    expect(await calls).toEqual(ACTIONS.map(() => ownResults(EACH)));
    const slowestMs = Math.max(...(await recovered));
    console.info(`after one of two schedulers was killed: answered again after ${slowestMs} ms`);
    expect(slowestMs).toBeLessThan(RECOVERY_MS_MAX);
  });

  it('one that comes back has new queues, which are pulled here too', async () => {
    await cluster.schedulers[0]?.restart();
    await cluster.schedulers[1]?.kill();
    for (const action of ACTIONS) await sleepers.answersAgain(action);
  });
});
