/** The operators' page of a cluster of real processes and servers, in a real browser. */
import type { Action } from '@tetris/common';
import { freePort } from '@tetris/bench';
import { accessibilityFaults } from '../support/accessibility';
import { openPage, type OpenPage } from '../support/browser';
import { Cluster, sleeper } from '../support/cluster/cluster';
import { overflow, panelOrders } from '../support/narrow';
import { until } from '../support/until';

jest.setTimeout(240_000);

const ACCESS = { username: 'operator', password: 'secret' };

describe("the operators' page of a cluster", () => {
  let cluster: Cluster;
  let action: Action;
  let url: string;
  /** Of the invokers. */
  let ports: number[];
  let open: OpenPage;
  beforeAll(async () => {
    const port = await freePort();
    ports = [await freePort(), await freePort()];
    url = `http://127.0.0.1:${port}`;
    cluster = await Cluster.start({
      balancerEnv: {
        TETRIS_BALANCER_STATUS_PORT: String(port),
        TETRIS_BALANCER_STATUS_USER: ACCESS.username,
        TETRIS_BALANCER_STATUS_PASSWORD: ACCESS.password,
      },
      invokerEnv: (index) => ({
        TETRIS_INVOKER_REPORT_MS: '500',
        TETRIS_INVOKER_HTTP_PORT: String(ports[index]),
        TETRIS_INVOKER_HTTP_HOST: '127.0.0.1',
      }),
    });
    action = await cluster.putAction(sleeper('steady'));
    open = await openPage(url, ACCESS);
  });
  afterAll(async () => {
    await open?.close();
    await cluster?.stop();
  });

  it('shows nodes, functions, placements and the way of an activation', async () => {
    const { page, errors } = open;
    await cluster.call(action, { n: 1 });
    await cluster.call(action, { n: 2 });
    const functions = page.getByRole('group', { name: 'Functions' });
    const row = functions.locator('tbody tr', { hasText: 'steady' });
    await row.getByText(/warm|paused|busy/).waitFor();
    expect(await functions.locator('tbody tr').count()).toBe(1);
    expect(await page.getByRole('group', { name: 'Nodes' }).locator('tbody tr').count()).toBe(2);
    await page.locator('#placements').getByText('steady').waitFor();
    await page.locator('#ways button', { hasText: 'steady' }).first().click();
    await page.locator('#ways').getByText('in the instance').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  it('shows what the metrics say, at the same moment', async () => {
    const { page } = open;
    const used = page.locator('#memory [data-figure=usedBytes]');
    const metrics = async (): Promise<number> => {
      const texts = await Promise.all(
        ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
      );
      return texts
        .flatMap((text) => [...text.matchAll(/^tetris_invoker_memory_bytes\{[^}]*\} (\S+)$/gm)])
        .reduce((sum, [, value]) => sum + Number(value), 0);
    };
    await until(async () => Number(await used.getAttribute('data-bytes')) === (await metrics()), 'they agree');
  });

  it('shows all of itself on 390 pixels, and the keyboard goes as the eye does', async () => {
    const { page } = open;
    await page.setViewportSize({ width: 390, height: 800 });
    const { tabbed, seen } = await panelOrders(page);
    expect(tabbed).toEqual(['nodes', 'functions', 'overlap', 'placements', 'ways']);
    expect(tabbed).toEqual(seen);
    expect(await overflow(page)).toBe(0);
  });

  it('tells nobody anything without the password, and changes nothing for who has it', async () => {
    expect((await fetch(`${url}/tetris/events`)).status).toBe(401);
    const authorization = `Basic ${Buffer.from(`${ACCESS.username}:${ACCESS.password}`).toString('base64')}`;
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect((await fetch(`${url}/status`, { method, headers: { authorization } })).status).toBe(404);
    }
  });
});
