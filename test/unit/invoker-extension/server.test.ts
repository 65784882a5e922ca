import { Gauge, Registry } from 'prom-client';
import { createLogger, PluginError } from '@tetris/common';
import { nodeMetrics } from '../../../invoker-extension/src/node-metrics';
import { invokerServer } from '../../../invoker-extension/src/server';

const closing: (() => Promise<void>)[] = [];

async function served(user = 'operator') {
  const invoker = {
    enabled: true,
    metrics: new Registry(),
    nodeMetrics: async () => 'node_up 1',
    setEnabled: async (enabled: boolean) => void (invoker.enabled = enabled),
  };
  const http = invokerServer({ invoker, user, password: 'secret' });
  const url = await http.listen({ host: '127.0.0.1', port: 0 });
  closing.push(() => http.close());
  const ask = (method: string, path: string, auth?: string) =>
    fetch(`${url}${path}`, { method, headers: auth === undefined ? {} : { authorization: basic(auth) } });
  return { invoker, ask };
}

const basic = (auth: string): string => `Basic ${Buffer.from(auth).toString('base64')}`;

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe('invokerServer', () => {
  it('answers ping and metrics to everybody', async () => {
    const { ask } = await served();
    expect(await (await ask('GET', '/ping')).text()).toBe('pong');
    const metrics = await ask('GET', '/metrics');
    expect(metrics.headers.get('content-type')).toContain('version=0.0.4');
    expect(await metrics.text()).toBe('node_up 1');
  });

  it('takes the invoker out of service and back for the operator', async () => {
    const { ask, invoker } = await served();
    expect((await ask('POST', '/disable', 'operator:secret')).status).toBe(200);
    expect(invoker.enabled).toBe(false);
    expect(await (await ask('GET', '/isEnabled', 'operator:secret')).json()).toEqual({ enabled: false });
    await ask('POST', '/enable', 'operator:secret');
    expect(invoker.enabled).toBe(true);
  });

  it('bad call: 401 without the key, 404 where no user is configured', async () => {
    const { ask, invoker } = await served();
    expect((await ask('POST', '/disable')).status).toBe(401);
    expect((await ask('POST', '/disable', 'operator:wrong!')).status).toBe(401);
    expect(invoker.enabled).toBe(true);
    expect((await (await served('')).ask('POST', '/disable', ':')).status).toBe(404);
  });
});

describe('nodeMetrics', () => {
  const invoker = new Registry();
  new Gauge({ name: 'invoker_up', help: 'Up', registers: [invoker] }).set(1);
  const log = createLogger('test', 'silent');
  const daemon = { metrics: async () => '# TYPE daemon_up gauge\ndaemon_up 1\n' };

  it('tells of the invoker and of its daemon', async () => {
    expect(await nodeMetrics({ invoker, daemon, log })).toMatch(/^invoker_up 1$[^]*^daemon_up 1$/m);
    expect(await nodeMetrics({ invoker, daemon: undefined, log })).toBe(await invoker.metrics());
  });

  it('expected failure: tells of the invoker while the daemon is away', async () => {
    const away = { metrics: () => Promise.reject(new PluginError('ERR_DAEMON_UNAVAILABLE', 'away')) };
    expect(await nodeMetrics({ invoker, daemon: away, log })).toBe(await invoker.metrics());
  });
});
