/** The whole cluster when nothing breaks, and when what arrives is broken. */
import { Redis } from 'ioredis';
import { Cluster, sleeper } from '../support/cluster/cluster';
import { until } from '../support/until';

describe('a cluster with one load balancer and two invokers', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ invokerEnv: { TETRIS_INVOKER_REPLY_BYTES_MAX: '1500k' } });
  });
  afterAll(() => cluster?.stop());

  it('answers each of many concurrent activations exactly once, with its own result', async () => {
    const action = await cluster.putAction(sleeper('echo'));
    await cluster.call(action, { n: -1 });
    const outcomes = await Promise.all(Array.from({ length: 1000 }, (_, n) => cluster.call(action, { n })));
    expect(outcomes.map(({ result }) => result)).toEqual(outcomes.map((_, n) => ({ n })));
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });

  it('stores the record of each, whoever waits', async () => {
    const action = await cluster.putAction(sleeper('recorded'));
    const blocking = await cluster.call(action, { n: 1 });
    const quiet = await cluster.invoke(action, { n: 2 }, { blocking: false });
    expect((await recordOf(blocking.activationId)).response.result).toEqual({ n: 1 });
    expect((await recordOf(quiet.activationId)).response.result).toEqual({ n: 2 });
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });

  it('answers with the id alone what is too large for the controllers, the record being in the database', async () => {
    const action = await cluster.putAction({
      name: 'large',
      exec: { kind: 'nodejs:tetris', code: 'function main({ n }) { return { text: "x".repeat(n) }; }', binary: false },
    });
    const outcome = await cluster.call(action, { n: 1_200_000 });
    expect(outcome).toEqual({ activationId: outcome.activationId });
    const { response } = await recordOf(outcome.activationId);
    expect(response.statusCode).toBe(0);
    expect((response.result as { text: string }).text).toHaveLength(1_200_000);
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });

  it('expected failure: answers an action that is not there as stock does', async () => {
    const action = await cluster.putAction({ name: 'gone' });
    await cluster.store.deleteAction('guest/gone', action.revision);
    expect(await cluster.call(action, {})).toMatchObject({ statusCode: 1 });
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });

  it('bad call: drops poison in every topic that it reads, and goes on', async () => {
    const action = await cluster.putAction(sleeper('survivor'));
    const message = cluster.message(action, {});
    const poison: (string | Buffer)[] = [
      '',
      '{',
      'null',
      '[]',
      '"text"',
      '{}',
      Buffer.from([0xff, 0xfe, 0x00]),
      JSON.stringify({ ...message, activationId: 'short' }),
      JSON.stringify({ ...message, user: null }),
      JSON.stringify({ ...message, rootControllerIndex: { asString: '../../x', instanceType: 'controller' } }),
      JSON.stringify({ name: { instance: -1, userMemory: 'lots', instanceType: 'invoker' } }),
      JSON.stringify({ name: { instance: 1e9, userMemory: '1 B', instanceType: 'invoker', tags: [] } }),
      JSON.stringify({ transid: [], response: { statusCode: 0 } }),
      JSON.stringify({ transid: ['x', 1], activationId: 'f'.repeat(32), isSystemError: false, instance: null }),
    ];
    const topics = ['invoker0', 'tetris-invoker0', 'tetris-invoker1', 'tetris-health', 'tetris-completed0'];
    for (const topic of topics) for (const value of poison) await cluster.bus.send(topic, value);
    const redis = new Redis(cluster.redis.url);
    for (const value of poison) await redis.publish('tetris:changes', value);
    redis.disconnect();
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => cluster.call(action, { n })));
    expect(outcomes.map(({ result }) => result)).toEqual(outcomes.map((_, n) => ({ n })));
    await cluster.level();
    expect(cluster.violations).toEqual([]);
    expect([...cluster.balancers, ...cluster.invokers].every(({ running }) => running)).toBe(true);
  });

  interface Recorded {
    response: { statusCode: number; result?: unknown };
  }

  async function recordOf(activationId: string): Promise<Recorded> {
    let record: Recorded | undefined;
    await until(async () => {
      record = await cluster.store.getActivation(`guest/${activationId}`).catch(() => undefined);
      return record !== undefined;
    });
    if (record === undefined) throw new Error('no record');
    return record;
  }
});
