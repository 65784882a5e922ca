/** The REST API over a controller and an embedded store, with an invoker that does what the test says. */
import {
  type ActivationMessage,
  createLogger,
  EmbeddedStore,
  MemoryBus,
  Topics,
  type UserLimits,
} from '@tetris/common';
import { Controller } from '../../../../standalone/src/controller/controller';
import { GUEST, Identities, type Subject, SYSTEM } from '../../../../standalone/src/controller/identities';
import { SYSTEM_LIMITS, type SystemLimits } from '../../../../standalone/src/controller/limits';
import { restServer } from '../../../../standalone/src/controller/rest/server';
import { ShardingBalancer } from '../../../../standalone/src/controller/balancer/sharding-balancer';
import { type Behaviour, FakeInvoker } from '../../../support/fake-invoker';
import { until } from '../../../support/until';

const log = createLogger('test', 'silent');
export const ACTIONS = '/api/v1/namespaces/_/actions';
export const ACTIVATIONS = '/api/v1/namespaces/_/activations';
export const CODE = 'function main(args) { return args; }';
export const OTHER: Subject = { name: 'other', key: `11111111-2222-4333-8444-555555555555:${'x'.repeat(64)}` };
export const basic = (key: string): string => `Basic ${Buffer.from(key).toString('base64')}`;

export interface Answer {
  status: number;
  body: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests read answers freely
  headers: Record<string, unknown>;
}

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS' | 'PATCH' | 'HEAD';
export type Behave = Behaviour | ((message: ActivationMessage) => Behaviour);
export type RestPlatform = Awaited<ReturnType<typeof restPlatform>>;

/** @param userLimits limits of namespaces */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- `RestPlatform` names it
export async function restPlatform(limits: Partial<SystemLimits> = {}, userLimits: Record<string, UserLimits> = {}) {
  const bus = new MemoryBus(log);
  const store = await EmbeddedStore.open({ log, limits: userLimits });
  const topics = new Topics('');
  let behaviour: Behave = {};
  const behave = (message: ActivationMessage): Behaviour =>
    typeof behaviour === 'function' ? behaviour(message) : behaviour;
  const invoker = new FakeInvoker({ bus, topics, instance: 0, memoryMb: 4096, store, behave });
  const balancer = new ShardingBalancer({ bus, topics, controller: '0', log });
  await balancer.start();
  const identities = new Identities([GUEST, SYSTEM, OTHER]);
  const all = { ...SYSTEM_LIMITS, ...limits };
  const controller = new Controller({ id: '0', store, balancer, identities, limits: all, log, now: Date.now });
  const server = restServer({ controller, log, now: Date.now });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  /** Text as it is, anything else as JSON; with the guest's key unless the headers say otherwise. */
  const call = async (method: Method, url: string, body?: unknown, headers: object = {}): Promise<Answer> => {
    const payload = typeof body === 'string' ? body : JSON.stringify(body);
    const reply = await fetch(`${address}${url}`, {
      method,
      headers: { authorization: basic(GUEST.key), 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: payload }),
    });
    const text = await reply.text();
    return {
      status: reply.status,
      body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
      headers: Object.fromEntries(reply.headers),
    };
  };
  return {
    address,
    call,
    invoker,
    balancer,
    store,
    behave: (next: Behave) => (behaviour = next),
    start: async () => {
      await invoker.start();
      await until(() => balancer.states()[0] === 'healthy');
    },
    stop: async () => {
      await invoker.stop();
      await balancer.stop();
      await server.close();
      await bus.close();
    },
  };
}
