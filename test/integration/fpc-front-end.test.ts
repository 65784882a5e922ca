/** Activations of OpenWhisk's new scheduler, through a load balancer and two invokers, under a strict scheduler. */
import type { Action } from '@tetris/common';
import { sleeper } from '../support/cluster/cluster';
import { FpcCluster, type FpcOutcome } from '../support/scheduler/fpc-cluster';
import { until } from '../support/until';

jest.setTimeout(200_000);

const resultOf = (outcome: FpcOutcome): unknown =>
  'activation' in outcome ? outcome.activation.response.result : outcome;

describe('a load balancer under a strict scheduler', () => {
  let cluster: FpcCluster;
  let action: Action;
  beforeAll(async () => {
    cluster = await FpcCluster.start();
    action = await cluster.putAction(sleeper('steady'));
    await cluster.hinted(action);
  });
  afterAll(() => cluster?.stop());
  afterEach(() => expect(cluster.violations).toEqual([]));

  it('gets the first activation of an action without tags, and answers it', async () => {
    expect(resultOf(await cluster.call(action, { n: 1 }))).toEqual({ n: 1 });
    await cluster.level();
    expect(cluster.schedulers[0]?.counts).toMatchObject({ ordered: 1, acked: 1, refused: 0 });
    expect(await cluster.keys('namespace')).toHaveLength(1);
  });

  it('answers many at once, each with its own result, as one container', async () => {
    const calls = Array.from({ length: 300 }, (_, n) => cluster.call(action, { n, ms: 100 }));
    expect((await Promise.all(calls)).map(resultOf)).toEqual(calls.map((_, n) => ({ n })));
    await cluster.level();
    expect(await cluster.keys('namespace')).toHaveLength(1);
    expect(cluster.schedulers[0]?.everThrottled).toBe(false);
  });

  it('leaves no key when it is drained', async () => {
    expect(await cluster.balancers[0]?.end('SIGTERM')).toBe(0);
    await until(async () => (await cluster.keys()).length === 0, 10_000, 'no key is left');
    await until(() => cluster.schedulers[0]?.containers === 0, 10_000, 'nothing is counted');
  });
});
