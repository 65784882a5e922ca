import type { StatusReport } from '../../../load-balancer/src/status/report';
import { type StatusServer, startStatusServer } from '../../../load-balancer/src/status/server';
import { Cluster } from './cluster';

const access = { user: 'operator', password: 'secret' };
const headers = { authorization: `Basic ${Buffer.from('operator:secret').toString('base64')}` };

describe('the status server', () => {
  let cluster: Cluster;
  let server: StatusServer;
  beforeAll(async () => {
    cluster = await new Cluster({ invokers: 2 }).start();
    await cluster.registry.putManifest('guest/a@1', {
      tensors: [{ sha256: 'a'.repeat(64), bytes: 100 }],
      privateBytes: 1,
    });
    await cluster.registry.publishInventory('node1', {
      sequence: 1,
      tensors: [{ sha256: 'a'.repeat(64), bytes: 100 }],
    });
    const { metrics } = cluster.balancer;
    server = await startStatusServer({
      host: '127.0.0.1',
      port: 0,
      metrics,
      source: cluster.balancer,
      access,
      profileUrl: undefined,
    });
  });
  afterAll(async () => {
    await server.close();
    await cluster.stop();
  });

  it('tells invokers, load and theta as JSON', async () => {
    const status = (await (await fetch(`${server.url}/status`, { headers })).json()) as StatusReport;
    expect(status).toMatchObject({ inFlight: 0, waiting: 0, sizes: { tensors: 1, actions: 1, nodes: 2 } });
    expect(status.nodes.map(({ node, invokers, usable, flavour }) => [node, invokers, usable, flavour])).toEqual([
      ['node0', [0], true, 'tetris'],
      ['node1', [1], true, 'tetris'],
    ]);
    expect(cluster.balancer.thetas('guest/a')).toEqual([{ node: 'node1', theta: 1 }]);
  });

  it('serves a page that needs nothing from elsewhere', async () => {
    const response = await fetch(`${server.url}/`, { headers });
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const html = await response.text();
    expect(html).not.toMatch(/https?:/);
    const addresses = [...html.matchAll(/"(\/tetris\/assets\/[^"]+)"/g)].map(
      ([, address]) => `${server.url}${address}`,
    );
    expect(addresses.length).toBeGreaterThan(5);
    for (const address of addresses) expect((await fetch(address, { headers })).status).toBe(200);
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
  });

  it('exports metrics', async () => {
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain('tetris_balancer_in_flight_activations 0');
  });

  it('is healthy while an invoker is usable', async () => {
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    for (const invoker of cluster.invokers) invoker.alive = false;
    cluster.nowMs += 11_000;
    cluster.balancer.fleet.tick(cluster.nowMs);
    expect((await fetch(`${server.url}/health`)).status).toBe(503);
  });

  it.each(['/', '/status', '/tetris/events', '/tetris/ways/x'])(
    'bad call: %s is for who has the password',
    async (path) => {
      const wrong = { authorization: `Basic ${Buffer.from('operator:wrong').toString('base64')}` };
      for (const answer of [
        await fetch(`${server.url}${path}`),
        await fetch(`${server.url}${path}`, { headers: wrong }),
      ]) {
        expect(answer.status).toBe(401);
        expect(answer.headers.get('www-authenticate')).toContain('Basic');
      }
    },
  );

  it('serves no page where nobody was given a password', async () => {
    const { metrics } = cluster.balancer;
    const options = { host: '127.0.0.1', port: 0, metrics, source: cluster.balancer };
    const open = await startStatusServer({ ...options, access: undefined, profileUrl: undefined });
    expect(
      await Promise.all(['/', '/status', '/metrics'].map(async (path) => (await fetch(`${open.url}${path}`)).status)),
    ).toEqual([404, 404, 200]);
    await open.close();
  });

  it('bad call: answers 404 for anything else', async () => {
    expect((await fetch(`${server.url}/secrets`)).status).toBe(404);
  });
});
