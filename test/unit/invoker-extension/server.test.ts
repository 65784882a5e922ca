import { Registry } from 'prom-client';
import { invokerServer } from '../../../invoker-extension/src/server';

const closing: (() => Promise<void>)[] = [];

async function served(user = 'operator') {
  const invoker = {
    enabled: true,
    metrics: new Registry(),
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
    expect((await ask('GET', '/metrics')).status).toBe(200);
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
