import type { Backend, InferenceSession, InferenceSessionHandler } from 'onnxruntime-common';
import { OwnThread } from '../../../../action-runtime/src/inference/own-thread';
import type { PoolModel } from '../../../../action-runtime/src/inference/pool-session';

/** A backend whose sessions take a turn of the event loop to be made and to run, and fail once they are disposed. */
class FakeBackend implements Backend {
  readonly made: string[] = [];
  living = 0;

  async init(): Promise<void> {}

  async createInferenceSessionHandler(
    _model: string | Uint8Array,
    { logId = '' }: InferenceSession.SessionOptions = {},
  ): Promise<InferenceSessionHandler> {
    await new Promise(setImmediate);
    this.made.push(logId);
    this.living += 1;
    let disposed = false;
    return {
      ...{ inputNames: ['x'], outputNames: ['y'], inputMetadata: [], outputMetadata: [] },
      run: async () => {
        await new Promise(setImmediate);
        if (disposed) throw new Error('Session already disposed.');
        return {};
      },
      dispose: async () => {
        if (!disposed) this.living -= 1;
        disposed = true;
      },
      startProfiling: () => undefined,
      endProfiling: () => undefined,
    };
  }
}

const PACKED = { logId: 'packed' };
const QUICK = { logId: 'quick' };

const model = (more: Partial<PoolModel> = {}): PoolModel => ({
  name: 'm',
  locate: async () => ({ kind: 'path', path: '/m' }),
  options: PACKED,
  wakeOptions: QUICK,
  single: false,
  ...more,
});

async function opened(wakes: boolean, more: Partial<PoolModel> = {}) {
  const stock = new FakeBackend();
  const engine = new OwnThread({ stock, times: () => ({}), wakes });
  const session = await engine.load(model(more), async () => undefined);
  const run = () => session.run({}, {}, {});
  return { stock, engine, session, run };
}

describe('a session in the thread of user code', () => {
  it('has its weights packed from the start', async () => {
    const { stock, session, run } = await opened(false);
    await run();
    expect(stock.made).toEqual(['packed']);
    expect(session.inputNames).toEqual(['x']);
  });

  it.each<[string, boolean, Partial<PoolModel>]>([
    ['its instance wakes', true, {}],
    ['it is to answer quickly', false, { quickOptions: QUICK }],
  ])('answers first without packed weights where %s, and has them after a pause', async (_, wakes, more) => {
    const { stock, run } = await opened(wakes, more);
    await run();
    expect(stock.made).toEqual(['quick']);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(stock.made).toEqual(['quick', 'packed']);
    expect(stock.living).toBe(1);
    await run();
  });

  it('wakes with packed weights where it has no other options', async () => {
    const { stock, run } = await opened(true, { wakeOptions: undefined });
    for (let count = 0; count < 12; count += 1) await run();
    expect(stock.made).toEqual(['packed']);
  });

  it('has them after ten runs without a pause', async () => {
    const { stock, run } = await opened(true);
    for (let count = 0; count < 10; count += 1) await run();
    expect(stock.made).toEqual(['quick']);
    await run();
    expect(stock.made).toEqual(['quick', 'packed']);
    expect(stock.living).toBe(1);
  });

  it('loses no run that comes while they are packed', async () => {
    const { stock, run } = await opened(true);
    for (let count = 0; count < 10; count += 1) await run();
    await Promise.all([run(), run(), run()]);
    await run();
    expect(stock.made).toEqual(['quick', 'packed']);
    expect(stock.living).toBe(1);
  });

  it('frees all while it sleeps, and when it is released', async () => {
    const { stock, engine, session, run } = await opened(false);
    await engine.sleep();
    expect(stock.living).toBe(0);
    await run();
    expect(stock.living).toBe(1);
    await session.dispose();
    expect(stock.living).toBe(0);
    await expect(run()).rejects.toThrow('Session already disposed.');
  });
});
