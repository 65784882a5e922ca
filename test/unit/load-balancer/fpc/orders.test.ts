import { createLogger, invokerInstanceId } from '@tetris/common';
import type { PulledAction } from '../../../../load-balancer/src/fpc/etcd-keys';
import { type Creation, readOrder } from '../../../../load-balancer/src/fpc/messages';
import { type OrderOutcome, Orders } from '../../../../load-balancer/src/fpc/orders';

/** As a stock 2.0.0 scheduler writes it. */
const CREATION = {
  action: { name: 'hello', path: 'guest', version: '0.0.1' },
  creationId: '8c8c44d340244e8a8c44d34024ce8a29',
  invocationNamespace: 'guest',
  retryCount: 2,
  revision: '1-f957',
  rootSchedulerIndex: { asString: '0' },
  rpcPort: 13001,
  schedulerHost: '127.0.0.1',
  transid: ['sid_containerCreation', 1795888320965],
  whiskActionMetaData: {
    annotations: [{ key: 'exec', value: 'nodejs:tetris' }],
    exec: { kind: 'nodejs:tetris', binary: false },
    limits: { concurrency: 1, logs: 10, memory: 256, timeout: 60000 },
    ...{ name: 'hello', namespace: 'guest', parameters: [], publish: false, updated: 1795888525715, version: '0.0.1' },
  },
};
const creation = (overrides: object = {}): Creation => {
  const order = readOrder(Buffer.from(JSON.stringify({ ...CREATION, ...overrides })));
  if ('deletion' in order) throw new Error('a deletion');
  return order.creation;
};

function setUp() {
  const state = { usable: true, counted: false, begun: [] as PulledAction[], acks: [] as Record<string, unknown>[] };
  const pulled = {
    isSurplus: () => state.counted,
    ordered: async (action: PulledAction) => void state.begun.push(action),
  };
  const orders = new Orders(
    {
      pulled: pulled as never,
      isUsable: () => state.usable,
      isServed: (kind) => kind === 'nodejs:tetris',
      send: async (scheduler, ack) => void state.acks.push({ scheduler, ...(JSON.parse(ack) as object) }),
      outcome: () => undefined,
      invoker: invokerInstanceId(100, 1024 ** 3, 'tetris100'),
      log: createLogger('orders', 'silent'),
    },
    { surplusMs: 3_000, elsewhereMs: 500, surplusMax: 2 },
  );
  /** @returns what is decided, which is told before it is answered */
  const order = (overrides: object = {}): { decided: OrderOutcome[]; answered: Promise<void> } => {
    const decided: OrderOutcome[] = [];
    return { decided, answered: orders.ordered(creation(overrides), (outcome) => decided.push(outcome)) };
  };
  return { orders, order, state };
}

describe('an order for a container', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('begins the pulls and is acked with all that the scheduler sent', async () => {
    const { order, state } = setUp();
    const { decided, answered } = order();
    await answered;
    expect(decided).toEqual(['begun']);
    expect(state.begun).toEqual([{ namespace: 'guest', name: CREATION.action, revision: '1-f957' }]);
    const { rootSchedulerIndex, whiskActionMetaData: actionMetaData, ...echoed } = CREATION;
    expect(state.acks).toEqual([
      { scheduler: rootSchedulerIndex.asString, ...echoed, actionMetaData, rootInvokerIndex: expect.anything() },
    ]);
  });

  it('is held for a moment where it is for another kind, then done without a container and without an error', async () => {
    const { order, state } = setUp();
    const exec = { kind: 'python:3' };
    const { decided } = order({ whiskActionMetaData: { ...CREATION.whiskActionMetaData, exec } });
    await jest.advanceTimersByTimeAsync(499);
    expect(state.acks).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(decided).toEqual(['elsewhere']);
    expect(state.acks).toMatchObject([{ retryCount: 2 }]);
    expect(state.acks[0]).not.toHaveProperty('error');
    expect(state.begun).toEqual([]);
  });

  it('waits for something usable, and is done without a container where there is nothing for too long', async () => {
    const { orders, order, state } = setUp();
    state.usable = false;
    const first = order();
    state.usable = true;
    orders.release();
    await first.answered;
    expect([first.decided, state.begun.length]).toEqual([['begun'], 1]);
    state.usable = false;
    const second = order();
    await jest.advanceTimersByTimeAsync(3_000);
    await second.answered;
    expect(second.decided).toEqual(['elsewhere']);
    expect([state.begun.length, state.acks.length]).toEqual([1, 2]);
    expect(state.acks[1]).not.toHaveProperty('error');
  });

  it('is not answered where it is a new scheduler that warms up', async () => {
    const { order, state } = setUp();
    const warmUp = { action: { path: 'whisk.system', name: 'warmUp' }, revision: null, rpcPort: 0, schedulerHost: '' };
    expect(order(warmUp).decided).toEqual(['warm-up']);
    expect(state.acks).toEqual([]);
  });

  it('beyond the first is held, then done without a container', async () => {
    const { order, state } = setUp();
    state.counted = true;
    const { decided } = order();
    await jest.advanceTimersByTimeAsync(2_999);
    expect(state.acks).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(state.acks).toMatchObject([{ creationId: CREATION.creationId }]);
    expect(state.acks[0]).not.toHaveProperty('error');
    expect([decided, state.begun]).toEqual([['surplus'], []]);
  });

  it('that was held is a good one where the queue has lost us meanwhile', async () => {
    const { order, state } = setUp();
    state.counted = true;
    void order().answered;
    state.counted = false;
    await jest.advanceTimersByTimeAsync(3_000);
    expect(state.begun).toHaveLength(1);
    expect(state.acks).toMatchObject([{ creationId: CREATION.creationId }]);
    expect(state.acks[0]).not.toHaveProperty('error');
  });

  it('beyond the bound of those held is done at once, and all are done at the close, of which nobody is told an error', async () => {
    const { orders, order, state } = setUp();
    state.counted = true;
    const answers = [1, 2, 3].map(() => order().answered);
    await answers[2];
    expect(state.acks.map(({ error }) => error)).toEqual([undefined]);
    orders.close();
    await Promise.all(answers);
    expect(state.acks.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
    expect(state.begun).toEqual([]);
  });

  it('that held waits for something usable is done at the close', async () => {
    const { orders, order, state } = setUp();
    state.usable = false;
    const { answered, decided } = order();
    orders.close();
    await answered;
    expect([decided, state.begun, state.acks.length]).toEqual([['elsewhere'], [], 1]);
    expect(state.acks[0]).not.toHaveProperty('error');
  });

  it('bad call: lacks what an ack has to echo', () => {
    expect(() => creation({ retryCount: undefined })).toThrow(/retryCount/);
    expect(() => creation({ whiskActionMetaData: {} })).toThrow(/ContainerCreationMessage/);
  });

  it('is a deletion where it has no creation id', () => {
    const deletion = { ...CREATION, creationId: undefined };
    expect(readOrder(Buffer.from(JSON.stringify(deletion)))).toHaveProperty('deletion.revision', '1-f957');
  });
});
