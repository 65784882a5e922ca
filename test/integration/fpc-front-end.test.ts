/** Activations of OpenWhisk's new scheduler, through a load balancer and two invokers, under a strict scheduler. */
import type { Action } from '@tetris/common';
import { sleeper } from '../support/cluster/cluster';
import { FpcCluster, resultOf } from '../support/scheduler/fpc-cluster';
import { until } from '../support/until';

jest.setTimeout(200_000);
const ACTIVATIONS = 10_000;
const AT_ONCE = 400;

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
    // As long as the queue is new.
    expect((await cluster.keys('warmed')).length).toBeGreaterThan(1);
  });

  it(`answers ${ACTIVATIONS} activations, each once and with its own result, as one container`, async () => {
    let next = 0;
    const answers = new Map<number, unknown>();
    const client = async (): Promise<void> => {
      while (next < ACTIVATIONS) {
        const n = (next += 1);
        answers.set(n, resultOf(await cluster.call(action, { n })));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    await cluster.level();
    expect(answers.size).toBe(ACTIVATIONS);
    expect([...answers].filter(([n, result]) => JSON.stringify(result) !== JSON.stringify({ n }))).toEqual([]);
    expect(await cluster.keys('namespace')).toHaveLength(1);
    expect(cluster.schedulers[0]?.everThrottled).toBe(false);
  });

  it('gets an action that another namespace invokes from its second order on', async () => {
    expect(resultOf(await cluster.call(action, { n: 1 }, 'other'))).toEqual({ n: 1 });
    const hinted = async (): Promise<boolean> => (await cluster.keys('warmed')).some((key) => key.includes('/other/'));
    await until(hinted, 'there is a hint for it');
  });

  it('serves a new revision, and no longer the old one', async () => {
    const newer = await cluster.putAction({ ...sleeper('steady'), version: '0.0.2' });
    await cluster.hinted(newer);
    expect(resultOf(await cluster.call(newer, { n: 2 }))).toEqual({ n: 2 });
    const old = async (): Promise<boolean> =>
      (await cluster.keys('warmed')).some((key) => key.includes(action.revision));
    await until(async () => !(await old()), 'the old hint is gone');
  });

  it('tells schedulers of an invoker that loses its own, and of none where nothing is usable', async () => {
    for (const invoker of cluster.invokers) await invoker.end('SIGKILL');
    const entry = async (): Promise<string> => (await cluster.etcd.list('fpc-test/invokers/'))[0]?.value ?? '';
    await until(async () => (await entry()).includes('unhealthy'), 'it says that it is unhealthy');
    await until(async () => (await cluster.keys('warmed')).length === 0, 'it attracts nothing');
    for (const invoker of cluster.invokers) invoker.start();
    await cluster.up();
  });

  it('leaves no key when it is drained', async () => {
    expect(await cluster.balancers[0]?.end('SIGTERM')).toBe(0);
    await until(async () => (await cluster.keys()).length === 0, 'no key is left');
    await until(() => cluster.schedulers[0]?.containers === 0, 'nothing is counted');
  });
});
