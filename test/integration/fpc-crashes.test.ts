/** A cluster with the new scheduler while its processes and servers are killed, with activations in flight. */
import type { Action } from '@tetris/common';
import { Gate } from '../support/cluster/gate';
import { sleeper } from '../support/cluster/cluster';
import { FpcCluster, type FpcSent, resultOf } from '../support/scheduler/fpc-cluster';
import { until } from '../support/until';

jest.setTimeout(240_000);
const IN_FLIGHT = 100;
const LEASE_MS = 3_000;

describe('a cluster of the new scheduler', () => {
  let cluster: FpcCluster;
  let action: Action;
  let gated: Action;
  let gate: Gate;
  beforeAll(async () => {
    cluster = await FpcCluster.start({
      balancers: 2,
      balancerEnv: {
        TETRIS_BALANCER_ETCD_LEASE_TTL_MS: String(LEASE_MS),
        TETRIS_BALANCER_INVOKER_IN_FLIGHT_MAX: '20',
        TETRIS_BALANCER_WAIT_MS_MAX: '120000',
      },
    });
    action = await cluster.putAction(sleeper('steady'));
    gated = await cluster.putAction(Gate.action('gated'));
    await cluster.hinted(gated);
  });
  afterAll(() => cluster?.stop());
  beforeEach(() => {
    gate = new Gate();
  });
  afterEach(async () => {
    gate.open();
    await cluster.level();
    await cluster.up();
    expect(cluster.violations).toEqual([]);
  });

  /** Activations of which some run until the gate opens, and the rest waits in the load balancer. */
  async function inFlight(): Promise<FpcSent[]> {
    const sent = await Promise.all(Array.from({ length: IN_FLIGHT }, (_, n) => cluster.invoke(gated, gate.content(n))));
    try {
      await gate.reached(40);
      await until(() => cluster.schedulers[0]?.waiting === 0, 'all are pulled');
    } catch (error) {
      throw new Error(`${JSON.stringify(cluster.schedulers[0]?.counts)}\n${cluster.logs()}`, { cause: error });
    }
    return sent;
  }
  async function allAnswered(sent: FpcSent[]): Promise<void> {
    const outcomes = await Promise.all(sent.map(({ outcome }) => outcome));
    expect(outcomes.map(resultOf)).toEqual(sent.map((_, n) => ({ n })));
  }
  /** Until one is answered, however many are not. */
  async function answersAgain(): Promise<void> {
    const attempt = async (): Promise<boolean> => {
      const { outcome } = await cluster.invoke(action, { n: 1 });
      const late = new Promise<undefined>((resolve) => setTimeout(resolve, 2_000, undefined));
      const first = await Promise.race([outcome, late]);
      return first !== undefined && 'activation' in first;
    };
    await until(attempt, 'an activation is answered');
  }

  it('answers everything after both load balancers were killed and started again, what waited in them too', async () => {
    const sent = await inFlight();
    for (const balancer of cluster.balancers) await balancer.end('SIGKILL');
    for (const balancer of cluster.balancers) balancer.start();
    await cluster.up();
    gate.open();
    await allAnswered(sent);
  });

  it('answers everything after a scheduler was killed, and is chosen by the next one', async () => {
    const sent = await inFlight();
    await cluster.restartScheduler(0);
    gate.open();
    await allAnswered(sent);
    await answersAgain();
  });

  it('answers everything while etcd restarts', async () => {
    const sent = await inFlight();
    await cluster.servers.etcd.restart();
    gate.open();
    await allAnswered(sent);
    await answersAgain();
  });

  it('answers everything while Kafka restarts', async () => {
    const sent = await inFlight();
    const restarted = cluster.servers.kafka.restart();
    gate.open();
    await restarted;
    await allAnswered(sent);
    await answersAgain();
  });

  it('goes on with the other load balancer when one is gone for good', async () => {
    await answersAgain();
    const [first] = cluster.balancers;
    await first?.end('SIGKILL');
    await until(async () => (await cluster.keys('invokers')).length === 1, 'its keys are gone');
    await answersAgain();
    first?.start();
    await cluster.up();
  });
});
