import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Cleanups } from '../../../../bench/src/demo/cleanups';
import { Gate } from '../../../../bench/src/demo/gate';

describe('cleanups', () => {
  it('undoes everything once, the last first, also where one fails', async () => {
    const cleanups = new Cleanups();
    const undone: string[] = [];
    cleanups.add(async () => undone.push('first'));
    cleanups.add(() => Promise.reject(new Error('no')));
    cleanups.add(async () => undone.push('last'));
    await expect(cleanups.run()).rejects.toThrow('cleaning up failed');
    await expect(cleanups.run()).rejects.toThrow('cleaning up failed');
    expect(undone).toEqual(['last', 'first']);
  });

  it('bad call: nothing can be begun once everything is being undone', async () => {
    const cleanups = new Cleanups();
    await cleanups.run();
    expect(() => cleanups.add(async () => undefined)).toThrow('interrupted');
  });
});

/** Posts as the demo's action does; resolves when the answer has ended. */
function arrive(url: string, report: unknown): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: 'POST', agent: false }, (reply) => {
      reply.resume().on('end', () => resolve(reply.statusCode ?? 0));
    });
    call.on('error', reject).end(JSON.stringify(report));
  });
}

describe('gate', () => {
  let gate: Gate<{ answer: number }>;
  beforeEach(async () => (gate = await Gate.listen()));
  afterEach(() => gate.close());

  it('reports arrivals and holds them until it opens', async () => {
    const arrival = gate.arrival('one');
    let passed = false;
    const call = arrive(gate.url('one'), { answer: 42 }).finally(() => (passed = true));
    expect(await arrival).toEqual({ answer: 42 });
    await delay(50);
    expect(passed).toBe(false);
    gate.open();
    expect(await call).toBe(200);
  });

  it('holds nobody once it is open', async () => {
    gate.open();
    expect(await arrive(gate.url('late'), {})).toBe(200);
  });

  it('bad call: refuses an arrival without a report', async () => {
    expect(await arrive(gate.url('one'), undefined)).toBe(400);
  });
});
