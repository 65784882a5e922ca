/** Several controllers of one deployment through one load balancer, which knew of one of them only. */
import { type Action, createLogger, Topics } from '@tetris/common';
import { ShardingBalancer, type Violation } from '@tetris/standalone';
import { Cluster, CONTROLLER, type Outcome, sleeper } from '../support/cluster/cluster';
import { Gate } from '../support/cluster/gate';
import { until } from '../support/until';

jest.setTimeout(240_000);
const OTHER = '1';
const EACH = 300;

describe('a cluster with two controllers', () => {
  let cluster: Cluster;
  let other: ShardingBalancer;
  let action: Action;
  const violations: Violation[] = [];
  const gate = new Gate();

  beforeAll(async () => {
    cluster = await Cluster.start();
    action = await cluster.putAction(sleeper('shared'));
    other = new ShardingBalancer({
      bus: cluster.bus,
      topics: new Topics(''),
      controller: OTHER,
      log: createLogger('controller', 'silent'),
      onViolation: (violation) => violations.push(violation),
    });
    await other.start();
    await until(() => other.states()[0] === 'healthy', 'the second controller takes it for healthy');
  });
  afterAll(async () => {
    gate.open();
    await other?.stop();
    await cluster?.stop();
  });

  async function callBy(controller: ShardingBalancer, id: string, n: number): Promise<Outcome> {
    const rootControllerIndex = { asString: id, instanceType: 'controller' as const };
    const message = cluster.message(action, { n, ms: n % 50 }, { rootControllerIndex });
    return cluster.outcomeOf(await controller.publish({ message, limits: action.limits }));
  }

  it('answers each controller its own activations, each exactly once', async () => {
    const both = [
      { controller: cluster.controller, id: CONTROLLER, first: 0 },
      { controller: other, id: OTHER, first: EACH },
    ];
    const calls = both.flatMap(({ controller, id, first }) =>
      Array.from({ length: EACH }, (_, index) => callBy(controller, id, first + index)),
    );
    const outcomes = await Promise.all(calls);
    expect(outcomes.map(({ result }) => result)).toEqual(outcomes.map((_, n) => ({ n })));
    await cluster.level();
    await until(() => other.books().inFlight === 0);
    expect(other.books().invokers.every(({ outstanding }) => outstanding === 0)).toBe(true);
    expect([...violations, ...cluster.violations]).toEqual([]);
  });

  it('answers both after the load balancer was killed and started again', async () => {
    const [balancer] = cluster.balancers;
    const gated = await cluster.putAction(Gate.action('gated'));
    const calls = [cluster.controller, other].flatMap((controller, index) =>
      Array.from({ length: 20 }, (_, n) => {
        const rootControllerIndex = { asString: String(index), instanceType: 'controller' as const };
        const message = cluster.message(gated, gate.content(20 * index + n), { rootControllerIndex });
        return controller.publish({ message, limits: gated.limits });
      }),
    );
    const sent = await Promise.all(calls);
    await gate.reached(sent.length);
    await balancer?.end('SIGKILL');
    balancer?.start();
    gate.open();
    const outcomes = await Promise.all(sent.map((each) => cluster.outcomeOf(each, 100_000)));
    expect(outcomes.map(({ statusCode }) => statusCode)).toEqual(outcomes.map(() => 0));
    await cluster.level(100_000);
    // The crash may come between passing an ack on and forgetting its activation.
    expect([...violations, ...cluster.violations].filter(({ kind }) => !kind.startsWith('second-'))).toEqual([]);
  });
});
