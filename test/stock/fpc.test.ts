/**
 * The plugin under a stock controller and a stock scheduler, under load and while processes end. See
 * `docs/compatibility-fpc.md`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FpcServers } from '../support/cluster/services';
import { ownResults, RECOVERY_MS_MAX, Sleepers } from '../support/stock/sleepers';
import { StockCluster } from '../support/stock/stock-cluster';
import { until } from '../support/until';

jest.setTimeout(240_000);

const IN_FLIGHT = 100;
const ACTIVATIONS = 10_000;
const AT_ONCE = 200;
const WHISK_ERROR = 500;
/** A pull that waits at a scheduler is answered after a second. */
const PULL_MS = 1_500;

describe('a stock scheduler with a load balancer', () => {
  let cluster: StockCluster;
  let sleepers: Sleepers;
  beforeAll(async () => {
    cluster = await StockCluster.start({ balancer: true, schedulers: 1 });
    sleepers = new Sleepers(cluster.client);
  });
  afterAll(async () => cluster?.stop());
  /** @returns ms, which are told too */
  const recovers = async (action: string): Promise<number> => {
    const tookMs = await sleepers.answersAgain(action);
    console.info(`${action}: answered again after ${tookMs} ms`);
    return tookMs;
  };
  const servers = (): FpcServers => cluster.servers as FpcServers;

  it(`answers ${ACTIVATIONS} activations, each with its own result, as one container`, async () => {
    await sleepers.put('steady');
    let next = 0;
    const wrong: unknown[] = [];
    const client = async (): Promise<void> => {
      while (next < ACTIVATIONS) {
        const n = (next += 1);
        const answer = await sleepers.call('steady', { n });
        if (typeof answer === 'number' || answer.n !== n) wrong.push({ n, answer });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    expect(wrong).toEqual([]);
    await cluster.level();
    expect(await cluster.observer?.keys('namespace')).toHaveLength(1);
    expect(await cluster.schedulers[0]?.ordered()).toBe(0);
  });

  it('answers what a killed invoker had with an error, and the rest with results', async () => {
    await sleepers.put('sleeper');
    const calls = sleepers.many('sleeper', IN_FLIGHT, 3_000);
    await cluster.handedOn('sleeper', IN_FLIGHT);
    const states = cluster.states();
    const [first] = cluster.invokers;
    await first?.end('SIGKILL');
    const outcomes = await calls;
    const answered = outcomes.filter((outcome) => typeof outcome === 'object');
    // A whisk internal error, as under stock.
    expect(outcomes.filter((outcome) => typeof outcome !== 'object' && outcome !== WHISK_ERROR)).toEqual([]);
    expect(answered.length).toBeGreaterThan(0);
    await cluster.level();
    expect(cluster.states()).toEqual(states);
    expect(await sleepers.call('sleeper', { n: 1 })).toEqual({ n: 1 });
    first?.start();
  });

  it('says so when no invoker is left, and serves again when they are back', async () => {
    await sleepers.put('sleeper');
    for (const invoker of cluster.invokers) await invoker.end('SIGKILL');
    await until(() => cluster.states().at(-1) === 'unhealthy', 'it says so');
    await until(async () => (await cluster.observer?.keys('warmed'))?.length === 0, 'it attracts nothing');
    for (const invoker of cluster.invokers) invoker.start();
    await cluster.healthy();
    expect(await recovers('sleeper')).toBeLessThan(RECOVERY_MS_MAX);
    await cluster.level(90_000);
  });

  it('gets every answer when the load balancer was killed and started again', async () => {
    await sleepers.put('crossing');
    const calls = sleepers.many('crossing', IN_FLIGHT, 5_000);
    await cluster.handedOn('crossing', IN_FLIGHT);
    await cluster.balancer?.end('SIGKILL');
    cluster.balancer?.start();
    // What comes until then a scheduler hands to the pulls of the dead process, as to those of a dead container.
    await sleep(PULL_MS);
    expect(await recovers('crossing')).toBeLessThan(RECOVERY_MS_MAX - PULL_MS);
    expect(await calls).toEqual(ownResults(IN_FLIGHT));
    await cluster.level();
  });

  it('finishes what it has when it is drained, leaves no key, and serves again when it is back', async () => {
    await sleepers.put('finishing');
    const calls = sleepers.many('finishing', IN_FLIGHT, 5_000);
    await cluster.handedOn('finishing', IN_FLIGHT);
    const ended = cluster.balancer?.end('SIGTERM');
    expect(await calls).toEqual(ownResults(IN_FLIGHT));
    expect(await ended).toBe(0);
    expect(await cluster.observer?.keys()).toEqual([]);
    await cluster.level();
    cluster.balancer?.start();
    await cluster.healthy();
    expect(await sleepers.call('finishing', { n: 3 })).toEqual({ n: 3 });
  });

  it('has made neither controller nor scheduler complain about it', () => {
    expect(cluster.controller.complaints()).toEqual([]);
    expect(cluster.schedulers[0]?.complaints()).toEqual([]);
  });

  it.each(['etcd', 'kafka'] as const)('goes on when %s was restarted', async (name) => {
    const action = `during-${name}`;
    await sleepers.put(action);
    const calls = sleepers.many(action, IN_FLIGHT, 5_000);
    await cluster.handedOn(action, IN_FLIGHT);
    await servers()[name].restart();
    expect(await recovers(action)).toBeLessThan(RECOVERY_MS_MAX);
    expect(await calls).toEqual(ownResults(IN_FLIGHT));
  });

  it.each(['stopped', 'killed'])('goes on when the scheduler was %s and started again', async (how) => {
    const action = `resumed-${how}`;
    await sleepers.put(action);
    const calls = sleepers.many(action, IN_FLIGHT, 5_000);
    await cluster.handedOn(action, IN_FLIGHT);
    if (how === 'killed') await cluster.schedulers[0]?.kill();
    await cluster.schedulers[0]?.restart();
    // How soon is up to the controller, which has to find the scheduler again: invoker.test.ts compares with stock.
    await recovers(action);
    expect(await calls).toEqual(ownResults(IN_FLIGHT));
  });
});
