/**
 * A stock invoker beside invoker extensions, under a stock controller: behind the load balancer in sharding mode, beside
 * it with the new scheduler. See `docs/compatibility.md`.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { ENGINE_TIMEOUT_MS, engineOfTests } from '../support/docker/engine';
import { inNamespace, namespaceFolder, note } from '../support/docker/namespace';
import type { Json } from '../support/platform';
import { Sleepers } from '../support/stock/sleepers';
import { required, StockCluster } from '../support/stock/stock-cluster';
import { startStockInvoker } from '../support/stock/stock-invoker';
import { FOREIGN_KIND, type StockProcess } from '../support/stock/stock-process';
import { until } from '../support/until';

const ECHO = 'function main(args) { return args; }';
const AT_ONCE = 50;
/** Prints a line, and takes long enough that many run at once in one container. */
const TALK = `async function main(args) {
  console.log('line of ' + args.n);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return args;
}`;
const CONCURRENCY = 20;
const RECOVERY_MARGIN_MS = 5_000;

inNamespace(__filename, () => {
  jest.setTimeout(200_000);
  const engine = engineOfTests();

  describe.each([
    ['in sharding mode', 0],
    ['with the new scheduler', 1],
  ])('a stock invoker %s', (_mode, schedulers) => {
    let cluster: StockCluster;
    let stock: StockProcess;

    beforeAll(async () => {
      cluster = await StockCluster.start({ balancer: true, schedulers });
      const folder = mkdtempSync(join(namespaceFolder(), 'stock-'));
      // Ids are dense over extensions and stock invokers together.
      const classPath = required('OPENWHISK_INVOKER_CLASSPATH');
      stock = await startStockInvoker(cluster.servers, engine(), cluster.invokers.length, classPath, folder);
    }, ENGINE_TIMEOUT_MS);
    afterAll(async () => {
      await stock?.stop();
      await cluster?.stop();
    }, ENGINE_TIMEOUT_MS);

    const result = (name: string, params: object): Promise<Json> =>
      cluster.client.actions.invoke({ name, params, blocking: true, result: true });
    const put = (name: string, kind: string, action = ECHO, limits: object = { logs: 0 }): Promise<unknown> =>
      cluster.client.actions.update({ name, kind, action, limits: { memory: 256, ...limits } });
    /** Of the scheduler, but for what it says of the stock invoker, which refuses what it has no room for. */
    const complaints = (): readonly string[] =>
      (cluster.schedulers[0]?.complaints() ?? []).filter((line) => !line.includes('invoker[invoker2/'));
    const errors = (): string[] => stock.log.split('\n').filter((line) => line.includes('[ERROR]'));
    const containers = (): Promise<string> => engine().docker('ps', '--all', '--format', '{{.Names}}');

    it('runs the kinds that the extensions do not serve', async () => {
      await put('foreign', FOREIGN_KIND);
      await put('own', 'nodejs:tetris');
      const answered = (): Promise<boolean> =>
        result('foreign', { n: -1 }).then(
          () => true,
          () => false,
        );
      await until(answered, 'there is a stock invoker', 90_000);
      const names = Array.from({ length: AT_ONCE }, (_, n) => (n % 2 === 0 ? 'foreign' : 'own'));
      const results = await Promise.all(names.map((name, n) => result(name, { n })));
      expect(results).toEqual(names.map((_, n) => ({ n })));
      await cluster.level();
      expect(await containers()).toMatch(/wskstock/);
      expect(complaints()).toEqual([]);
      // Not one of them on the stock invoker, though it has room and the manifest has their kind.
      expect(stock.log).not.toMatch(/guest\/own/);
      expect(cluster.controller.complaints()).toEqual([]);
      expect(errors()).toEqual([]);
    });

    it('answers all activations that run at once in one container and print, with the log store of l1-concurrency.yml', async () => {
      await put('talking', FOREIGN_KIND, TALK, { logs: 10, concurrency: CONCURRENCY });
      const numbers = Array.from({ length: 2 * CONCURRENCY }, (_, n) => n);
      const results = await Promise.all(numbers.map((n) => result('talking', { n })));
      expect(results).toEqual(numbers.map((n) => ({ n })));
      await cluster.level();
      expect(errors()).toEqual([]);
    });

    // In sharding mode nobody but the load balancer chooses.
    if (schedulers === 0) return;

    it('serves our kind while no load balancer is there, and both serve what has a paused container and a hint', async () => {
      const keys = async (kind: 'warmed' | 'namespace'): Promise<string[]> =>
        ((await cluster.observer?.keys(kind)) ?? []).filter((key) => key.includes('/moved/'));
      await put('moved', 'nodejs:tetris');
      await cluster.balancer?.end('SIGTERM');
      expect(await result('moved', { n: 1 })).toEqual({ n: 1 });
      const isPaused = async (): Promise<boolean> => (await keys('warmed')).some((key) => !key.endsWith('-hint'));
      await until(isPaused, 'its container is paused');
      cluster.balancer?.start();
      await cluster.healthy();
      // While it was away, activations of its kind waited for room at the stock invoker.
      const before = complaints().length;
      await until(async () => (await keys('warmed')).length === 2, 'it has a hint beside it');
      for (let n = 0; n < AT_ONCE; n += 1) expect(await result('moved', { n })).toEqual({ n });
      const numbers = Array.from({ length: AT_ONCE }, (_, n) => n);
      expect(await Promise.all(numbers.map((n) => result('moved', { n })))).toEqual(numbers.map((n) => ({ n })));
      await cluster.level();
      expect(await keys('namespace')).not.toEqual([]);
      expect(cluster.controller.complaints()).toEqual([]);
      expect(complaints().slice(before)).toEqual([]);
      expect(errors()).toEqual([]);
    });

    it('answers after a scheduler was killed as soon as stock does', async () => {
      const sleepers = new Sleepers(cluster.client);
      await sleepers.put('ours');
      await sleepers.put('theirs', FOREIGN_KIND);
      for (const name of ['ours', 'theirs']) expect(await sleepers.call(name, { n: 1 })).toEqual({ n: 1 });
      await cluster.schedulers[0]?.kill();
      await cluster.schedulers[0]?.restart();
      const [ours = NaN, theirs = NaN] = await Promise.all(
        ['ours', 'theirs'].map(async (name) => sleepers.answersAgain(name)),
      );
      note(`after the scheduler was killed: ours answered after ${ours} ms, theirs after ${theirs} ms`);
      expect(ours).toBeLessThan(theirs + RECOVERY_MARGIN_MS);
    });
  });
});
