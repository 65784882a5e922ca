/** The whole cluster while its own processes are killed. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Action } from '@tetris/common';
import type { Sent } from '@tetris/standalone';
import { Cluster, type Outcome, type Remains, sleeper } from '../support/cluster/cluster';
import { Gate } from '../support/cluster/gate';
import { streamDuring } from '../support/cluster/stream';
import { until } from '../support/until';

jest.setTimeout(600_000);
const IN_FLIGHT = 100;
/** Fast enough for a kill to find a load balancer at work. */
const EVERY_MS = 10;

describe('a cluster with two load balancers and two invokers', () => {
  let cluster: Cluster;
  let action: Action;
  let gated: Action;
  let gate: Gate;
  beforeAll(async () => {
    cluster = await Cluster.start({
      balancers: 2,
      patience: { timeLimitStdMs: 10_000, timeoutFactor: 2, timeoutAddonMs: 20_000 },
      balancerEnv: { TETRIS_BALANCER_SILENCE_MS: '6000', TETRIS_BALANCER_LOST_MS: '12000' },
    });
    action = await cluster.putAction(sleeper('sleeper'));
    gated = await cluster.putAction(Gate.action('gated'));
    await Promise.all(Array.from({ length: 60 }, (_, n) => cluster.call(action, { n, ms: 200 })));
    await cluster.level();
  });
  afterAll(() => cluster?.stop());
  beforeEach(() => {
    gate = new Gate();
  });
  afterEach(async () => {
    gate.open();
    cluster.violations.length = 0;
    await cluster.healthy();
  });

  /** Activations that run until the gate opens. */
  async function inFlight(): Promise<Sent[]> {
    const sending = Array.from({ length: IN_FLIGHT }, (_, n) => cluster.invoke(gated, gate.content(n)));
    const sent = await Promise.all(sending);
    await gate.reached(IN_FLIGHT);
    return sent;
  }
  const outcomesOf = (sent: Sent[]): Promise<Outcome[]> =>
    Promise.all(sent.map((each) => cluster.outcomeOf(each, 100_000)));
  const statuses = (outcomes: Outcome[]): number[] =>
    [...new Set(outcomes.map(({ statusCode = -1 }) => statusCode))].sort();

  it('answers what a killed invoker had with an error, and the rest with results', async () => {
    const sent = await inFlight();
    const [first, second] = await Promise.all([cluster.handedOnTo(0), cluster.handedOnTo(1)]);
    const isOn = (ids: Set<string>, { activationId }: { activationId: string }): boolean => ids.has(activationId);
    const mostAreFirst = sent.filter((each) => isOn(first, each)).length * 2 >= IN_FLIGHT;
    const [victim, lost] = mostAreFirst ? [cluster.invokers[0], first] : [cluster.invokers[1], second];
    await victim?.end('SIGKILL');
    gate.open();
    const outcomes = await outcomesOf(sent);
    // 3: the error that stock gives for what an invoker lost.
    expect(outcomes.map(({ statusCode }) => statusCode)).toEqual(sent.map((each) => (isOn(lost, each) ? 3 : 0)));
    await cluster.level();
    expect(cluster.violations).toEqual([]);
    expect(await cluster.call(action, { n: 1 })).toMatchObject({ statusCode: 0, result: { n: 1 } });
    victim?.start();
    await delay(3_000);
  });

  it('answers everything after a load balancer was killed and started again', async () => {
    const sent = await inFlight();
    for (const balancer of cluster.balancers) await balancer.end('SIGKILL');
    await delay(1_000);
    for (const balancer of cluster.balancers) balancer.start();
    gate.open();
    const outcomes = await outcomesOf(sent);
    expect(outcomes.map(({ result }) => result)).toEqual(outcomes.map((_, n) => ({ n })));
    await cluster.level(100_000);
    // The crash may come between passing an ack on and forgetting its activation.
    expect(cluster.violationsBut('second-completion', 'second-result')).toEqual([]);
  });

  it('goes on with the other load balancer while one is dead, and loses only what it had in its hands', async () => {
    const [first, second] = cluster.balancers;
    const brief = await cluster.putAction({ ...sleeper('brief'), limits: { ...action.limits, timeout: 10_000 } });
    await cluster.call(brief, { n: 0 });
    let remains: Remains | undefined;
    const report = await streamDuring(cluster, brief, EVERY_MS, async () => {
      await delay(1_000);
      await second?.end('SIGKILL');
      remains = await cluster.remainsOf(1);
      await until(() => cluster.controller.states()[1] === 'offline', 'the dead one is offline');
      const onlyFirst = await Promise.all(Array.from({ length: 20 }, (_, n) => cluster.call(brief, { n })));
      expect(statuses(onlyFirst)).toEqual([0]);
      second?.start();
      await cluster.healthy();
    });
    expect(first?.running).toBe(true);
    expect(report.refused).toBe(0);
    // To the activation: what was taken from the topic and not yet in the journal, as an invoker of stock loses what it
    // has taken, and an error for what was in the journal and with no invoker yet. Everything else has its result.
    const failed = report.outcomes.filter(({ statusCode }) => statusCode !== 0);
    expect(report.forced).toEqual(remains?.taken);
    expect(new Set(failed.map(({ activationId }) => activationId))).toEqual(remains?.journalled);
    expect(failed.map(({ statusCode }) => statusCode)).toEqual(failed.map(() => 3));
    await cluster.level(100_000);
    const violations = cluster
      .violationsBut('second-completion', 'second-result')
      .filter(({ kind, activationId = '' }) => kind !== 'forced-completion' || !report.forced.has(activationId));
    expect(violations).toEqual([]);
  });
});
