/**
 * The plugin under a stock controller, driven by the unmodified npm client. Not part of any other run: see
 * `docs/compatibility.md`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildModel, perceptron } from '@tetris/bench';
import type openwhisk from 'openwhisk';
import { infer } from '../support/infer';
import { INFER_CODE, type Json, plainFeeds, rejection } from '../support/platform';
import { SLEEPER } from '../support/stock/sleepers';
import { StockCluster } from '../support/stock/stock-cluster';
import { until } from '../support/until';

jest.setTimeout(240_000);

const KIND = 'nodejs:tetris';
const AT_ONCE = 200;
const ECHO = 'function main(args) { console.log("out"); console.error("err"); return args; }';
const UNAVAILABLE = 503;

interface Arrangement {
  balancer: boolean;
  schedulers?: number;
}

describe.each<[what: string, options: Arrangement]>([
  ['behind a load balancer', { balancer: true }],
  ['behind a load balancer of the new scheduler', { balancer: true, schedulers: 1 }],
  ['as the invokers of the controller', { balancer: false }],
])('a stock controller with invoker extensions %s', (_what, options) => {
  let cluster: StockCluster;
  let client: openwhisk.Client;

  beforeAll(async () => {
    // Replies may be longer than the controller's topics take, so that acks have to be shrunk.
    cluster = await StockCluster.start({ ...options, invokerEnv: { TETRIS_INVOKER_REPLY_BYTES_MAX: '3m' } });
    ({ client } = cluster);
  });
  afterAll(async () => cluster?.stop());

  const put = (name: string, action: string, more: object = {}): Promise<unknown> =>
    client.actions.update({ name, action, kind: KIND, ...more });
  const record = (name: string, params: object = {}): Promise<Json> =>
    client.actions.invoke({ name, params, blocking: true });
  const result = (name: string, params: object = {}): Promise<Json> =>
    client.actions.invoke({ name, params, blocking: true, result: true });
  const stored = async (activationId: string): Promise<Json> => {
    const get = (): Promise<Json> => client.activations.get({ name: activationId });
    const isThere = (): Promise<boolean> =>
      get().then(
        () => true,
        () => false,
      );
    await until(isThere, 'the record is stored');
    return get();
  };
  const failing = async (name: string, action: string, params = {}, more = {}): Promise<Json> => {
    await put(name, action, more);
    const { status, error } = await rejection(record(name, params));
    expect(status).toBe(502);
    return error.response;
  };

  it('creates, gets, lists, updates and deletes actions of the kind', async () => {
    await put('crud', ECHO);
    expect(await client.actions.get({ name: 'crud' })).toMatchObject({ exec: { kind: KIND, code: ECHO } });
    expect(await put('crud', `${ECHO}//2`)).toMatchObject({ version: '0.0.2' });
    expect(await result('crud', { a: 1 })).toEqual({ a: 1 });
    await until(async () => (await client.actions.list()).some(({ name }) => name === 'crud'), 'it is listed');
    await client.actions.delete({ name: 'crud' });
    expect((await rejection(result('crud'))).status).toBe(404);
  });

  it.each([KIND, 'nodejs:20', 'nodejs:default'])('answers with record or result, kind %s', async (kind) => {
    await put('echo', ECHO, { kind });
    expect(await record('echo', { a: 1 })).toMatchObject({ response: { success: true, result: { a: 1 } } });
    expect(await result('echo', { a: 2 })).toEqual({ a: 2 });
  });

  it('keeps record, result and logs of what nobody waited for', async () => {
    await put('later', ECHO);
    const { activationId }: Json = await client.actions.invoke({ name: 'later', params: { b: 1 } });
    expect(await stored(activationId)).toMatchObject({ name: 'later', response: { result: { b: 1 } } });
    expect(await client.activations.result({ name: activationId })).toMatchObject({ result: { b: 1 } });
    const { logs }: Json = await client.activations.logs({ name: activationId });
    expect(logs).toEqual([expect.stringMatching(/stdout: out$/), expect.stringMatching(/stderr: err$/)]);
    const listed = async (): Promise<Json> => client.activations.list({ name: 'later' });
    await until(async () => (await listed()).length > 0, 'it is listed');
    expect((await listed())[0]).toMatchObject({ activationId, statusCode: 0 });
  });

  it.each([1, 20])(`answers ${AT_ONCE} at once, each with its own result, concurrency %d`, async (concurrency) => {
    await put('sleeper', SLEEPER, { limits: { concurrency, memory: 128 } });
    const results = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => result('sleeper', { n })));
    expect(results).toEqual(Array.from({ length: AT_ONCE }, (_, n) => ({ n })));
    await cluster.level();
  });

  it('gives the numbers of plain onnxruntime, from one copy for two actions', async () => {
    const model = await buildModel(perceptron('stock'), cluster.models);
    const feeds = model.inputs(2, 1);
    const expected = await infer(model.path, feeds);
    for (const name of ['first', 'second']) {
      await put(name, INFER_CODE);
      const { outputs } = await result(name, { model: model.path, feeds: plainFeeds(feeds) });
      for (const [output, { data }] of Object.entries(expected)) {
        data.forEach((value, index) => expect(outputs[output].data[index]).toBeCloseTo(value, 4));
      }
    }
    const leases = await cluster.daemon.operator.leases();
    expect(new Set(leases.map(({ instance }) => instance)).size).toBeGreaterThan(1);
    const { uniqueBytes, unsharedBytes } = await cluster.daemon.operator.totals();
    expect(unsharedBytes).toBe(2 * uniqueBytes);
  });

  it('runs packages, bindings, sequences, conductors, web actions and rules', async () => {
    const package_ = { parameters: [{ key: 'p', value: 1 }] };
    await client.packages.update({ name: 'own', package: package_ });
    await put('own/inner', 'exports.main = (args) => ({ ...args, inner: true });');
    await client.packages.update({ name: 'bound', package: { binding: { namespace: 'guest', name: 'own' } } });
    expect(await result('bound/inner', { a: 1 })).toEqual({ a: 1, p: 1, inner: true });
    await put('echo', ECHO);
    await client.actions.update({ name: 'seq', sequence: ['/guest/own/inner', '/guest/echo'] } as never);
    expect(await result('seq', { a: 2 })).toEqual({ a: 2, p: 1, inner: true });
    const conductor = `exports.main = ({ step = 0, ...params }) => step === 0
      ? { action: 'own/inner', params: { a: 3 }, state: { step: 1 } } : { params };`;
    await put('conductor', conductor, { annotations: { conductor: true } });
    expect(await result('conductor')).toEqual({ a: 3, p: 1, inner: true });
    await put('web', 'exports.main = ({ name }) => ({ statusCode: 201, body: { name } });', {
      annotations: { 'web-export': true },
    });
    const page = await fetch(`${cluster.controller.url}/api/v1/web/guest/default/web.http?name=x`);
    expect([page.status, await page.json()]).toEqual([201, { name: 'x' }]);
    await client.triggers.update({ name: 'trigger' });
    await put('fired', ECHO);
    await client.rules.update({ name: 'rule', action: 'fired', trigger: 'trigger' });
    await client.triggers.invoke({ name: 'trigger', params: { t: 1 } });
    const fired = async (): Promise<Json[]> => client.activations.list({ name: 'fired' }) as Promise<Json[]>;
    await until(async () => (await fired()).length === 1, 'the rule has run');
  });

  it('answers a result of almost 1 MiB as it is, and takes a larger one from the record', async () => {
    await put('large', 'exports.main = ({ n }) => ({ text: "x".repeat(n) });');
    expect((await result('large', { n: 1_048_000 })).text).toHaveLength(1_048_000);
    expect((await result('large', { n: 2_000_000 })).text).toHaveLength(2_000_000);
  });

  it('expected failure: an action that throws, says that it failed, takes too long, ends itself or cannot start', async () => {
    expect(await failing('throws', 'function main() { throw new Error("trouble"); }')).toMatchObject({
      status: 'action developer error',
    });
    expect(await failing('says', 'exports.main = () => ({ error: "no luck" });')).toMatchObject({
      status: 'application error',
      result: { error: 'no luck' },
    });
    const tardy = await failing(
      'tardy',
      'exports.main = () => new Promise(() => {});',
      {},
      { limits: { timeout: 500 } },
    );
    expect(tardy.result.error).toMatch(/time limits of 500/);
    expect(await failing('exits', 'exports.main = () => process.exit(3);')).toMatchObject({
      status: 'action developer error',
    });
    expect(JSON.stringify(await failing('broken', 'function main( {'))).toMatch(/SyntaxError/);
  });

  it('expected failure: a model that is none, or is not there', async () => {
    const bad = join(cluster.models, 'bad.onnx');
    writeFileSync(bad, 'not a model');
    const cases = [
      [bad, /^Load model from .*bad\.onnx failed:Protobuf parsing failed/],
      [`${bad}.not`, /File doesn't exist/],
      ['/etc/passwd', /^Load model from \/etc\/passwd failed:Protobuf parsing failed/],
    ] as const;
    for (const [model, text] of cases) {
      const { status, result: body } = await failing('model', INFER_CODE, { model, feeds: [] });
      expect(status).toBe('application error');
      expect(body.error.message).toMatch(text);
    }
  });

  it('has heard nothing to complain about until here', async () => {
    await cluster.level();
    expect(cluster.controller.complaints()).toEqual([]);
  });

  it('has been healthy all the time', () => {
    const states = cluster.states();
    const firstUp = states.findIndex((each) => !/-> (?!Healthy)|unhealthy/.test(each));
    expect(states.slice(firstUp)).toHaveLength(1);
  });

  // What the new scheduler does when processes end is in fpc.test.ts.
  if (!options.balancer || options.schedulers !== undefined) return;

  it('goes on when one invoker is killed with activations in flight', async () => {
    await put('sleeper', SLEEPER, { limits: { concurrency: 10, memory: 128 } });
    const calls = Array.from({ length: 100 }, (_, n) =>
      result('sleeper', { n, ms: 3_000 }).then(
        () => 'answered',
        ({ statusCode }: Json) => statusCode as number,
      ),
    );
    await until(async () => (await cluster.controller.inFlight()) === 100, 'all are in flight');
    const states = cluster.controller.states();
    const [first, second] = cluster.invokers;
    await first?.end('SIGKILL');
    const outcomes = await Promise.all(calls);
    // What the dead one had is a whisk internal error, as under stock; the others do not notice.
    expect(outcomes.filter((outcome) => outcome !== 'answered' && outcome !== 500)).toEqual([]);
    await cluster.level();
    expect(cluster.controller.states()).toEqual(states);
    expect(await result('sleeper', { n: 1 })).toEqual({ n: 1 });
    await second?.end('SIGKILL');
    await until(async () => (await rejection(result('sleeper'))).status === UNAVAILABLE, 'users get 503');
    for (const invoker of cluster.invokers) invoker.start();
    await cluster.healthy();
    expect(await result('sleeper', { n: 2 })).toEqual({ n: 2 });
  });

  it('gets every slot back when the load balancer was killed and started again', async () => {
    await put('crossing', SLEEPER, { limits: { concurrency: 10, memory: 128 } });
    const calls = Promise.all(Array.from({ length: 60 }, (_, n) => result('crossing', { n, ms: 5_000 })));
    // What it has in its own hands is lost with it, as what a stock invoker has taken is.
    await cluster.handedOn('crossing', 60);
    await cluster.balancer?.end('SIGKILL');
    cluster.balancer?.start();
    expect(await calls).toEqual(Array.from({ length: 60 }, (_, n) => ({ n })));
    await cluster.level();
    await cluster.healthy();
  });

  it('finishes what it has when it is drained, and turns new activations away at once', async () => {
    await put('finishing', SLEEPER, { limits: { concurrency: 10, memory: 128 } });
    const calls = Promise.all(Array.from({ length: 20 }, (_, n) => result('finishing', { n, ms: 5_000 })));
    await cluster.handedOn('finishing', 20);
    const ended = cluster.balancer?.end('SIGTERM');
    await until(async () => Object.values(await cluster.controller.invokers())[0] === 'down', 'it is down');
    expect((await rejection(result('finishing'))).status).toBe(UNAVAILABLE);
    expect(await calls).toEqual(Array.from({ length: 20 }, (_, n) => ({ n })));
    expect(await ended).toBe(0);
    await cluster.level();
    expect(cluster.controller.complaints()).toEqual([]);
  });
});
