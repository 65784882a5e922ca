/**
 * The plugin under a stock controller and a stock scheduler while processes end. See `docs/compatibility-fpc.md`.
 */
import type openwhisk from 'openwhisk';
import type { Json } from '../support/platform';
import { StockCluster } from '../support/stock/stock-cluster';
import { until } from '../support/until';

jest.setTimeout(240_000);

const SLEEPER = `exports.main = ({ n, ms = 20 }) => new Promise((done) => setTimeout(() => done({ n }), ms));`;

describe('a stock scheduler with a load balancer', () => {
  let cluster: StockCluster;
  let client: openwhisk.Client;
  beforeAll(async () => {
    cluster = await StockCluster.start({ balancer: true, fpc: true });
    ({ client } = cluster);
  });
  afterAll(async () => cluster?.stop());

  const put = (name: string): Promise<unknown> =>
    client.actions.update({
      ...{ name, action: SLEEPER, kind: 'nodejs:tetris' },
      ...({ limits: { concurrency: 10, memory: 128 } } as object),
    });
  const result = (name: string, params: object = {}): Promise<Json> =>
    client.actions.invoke({ name, params, blocking: true, result: true });
  const many = (name: string, count: number, ms: number): Promise<unknown[]> =>
    Promise.all(
      Array.from({ length: count }, (_, n) =>
        result(name, { n, ms }).then(
          (answer) => answer as unknown,
          ({ statusCode }: Json) => statusCode as unknown,
        ),
      ),
    );
  const own = (count: number): unknown[] => Array.from({ length: count }, (_, n) => ({ n }));

  it('answers what a killed invoker had with an error, and the rest with results', async () => {
    await put('sleeper');
    const calls = many('sleeper', 100, 3_000);
    await cluster.handedOn('sleeper', 100);
    const [first] = cluster.invokers;
    await first?.end('SIGKILL');
    const outcomes = await calls;
    const answered = outcomes.filter((outcome) => typeof outcome === 'object');
    // A whisk internal error, as under stock.
    expect(outcomes.filter((outcome) => typeof outcome !== 'object' && outcome !== 500)).toEqual([]);
    expect(answered.length).toBeGreaterThan(0);
    first?.start();
    await cluster.level();
    expect(await result('sleeper', { n: 1 })).toEqual({ n: 1 });
  });

  it('gets every answer when the load balancer was killed and started again', async () => {
    await put('crossing');
    const calls = many('crossing', 60, 5_000);
    await cluster.handedOn('crossing', 60);
    await cluster.balancer?.end('SIGKILL');
    cluster.balancer?.start();
    expect(await calls).toEqual(own(60));
    await cluster.level();
    expect(await result('crossing', { n: 1 })).toEqual({ n: 1 });
  });

  it('has made neither controller nor scheduler complain about it', () => {
    expect(cluster.controller.complaints()).toEqual([]);
    expect(cluster.scheduler?.complaints()).toEqual([]);
  });

  it.each(['stopped', 'killed'])('goes on when the scheduler was %s and started again', async (how) => {
    const action = `resumed-${how}`;
    await put(action);
    const calls = many(action, 60, 5_000);
    await cluster.handedOn(action, 60);
    if (how === 'killed') await cluster.scheduler?.kill();
    await cluster.scheduler?.restart();
    expect(await calls).toEqual(own(60));
    const answers = (): Promise<boolean> =>
      result(action, { n: 2 }).then(
        ({ n }) => n === 2,
        () => false,
      );
    await until(answers, 90_000, 'an activation is answered');
  });

  it('finishes what it has when it is drained, leaves no key, and serves again when it is back', async () => {
    await put('finishing');
    const calls = many('finishing', 20, 5_000);
    await cluster.handedOn('finishing', 20);
    const ended = cluster.balancer?.end('SIGTERM');
    expect(await calls).toEqual(own(20));
    expect(await ended).toBe(0);
    expect(await cluster.ownKeys()).toEqual([]);
    await cluster.level();
    cluster.balancer?.start();
    await cluster.healthy();
    expect(await result('finishing', { n: 3 })).toEqual({ n: 3 });
  });
});
