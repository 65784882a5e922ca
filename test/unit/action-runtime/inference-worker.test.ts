/** Every request to a thread ends, whatever becomes of it or of its reply. */
import path from 'node:path';
import { InferenceWorker } from '../../../action-runtime/src/inference/inference-worker';
import type { WorkerRequest } from '../../../action-runtime/src/inference/protocol';

const workers: InferenceWorker[] = [];
const started = (): { worker: InferenceWorker; ended: Promise<void> } => {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const worker = new InferenceWorker(0, end, path.join(__dirname, '../../support/unreliable-worker.cjs'));
  workers.push(worker);
  return { worker, ended };
};
afterEach(() => Promise.all(workers.splice(0).map((worker) => worker.terminate())));

const [ANSWERS, UNREADABLE_REPLY, EXITS, THROWS, SILENT] = [1, 2, 3, 4, 5];
const request = (sessionId: number | undefined): WorkerRequest => ({ kind: 'release', sessionId: sessionId ?? 0 });

describe('InferenceWorker', () => {
  it('fails a request that cannot be sent, sends nothing of it, and goes on', async () => {
    const { worker } = started();
    const buffer = new ArrayBuffer(8);
    const unsendable = { ...request(ANSWERS), hook: () => 1 };
    await expect(worker.call(unsendable, [buffer])).rejects.toThrow(/could not be cloned/);
    expect(buffer.byteLength).toBe(8);
    await expect(worker.call(request(ANSWERS))).resolves.toMatchObject({ ok: true });
  });

  it('fails the request whose reply cannot be read, and no other', async () => {
    const { worker } = started();
    const calls = [ANSWERS, UNREADABLE_REPLY, ANSWERS].map((kind) => worker.call(request(kind)));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { message: expect.stringContaining('could not be read') } });
  });

  it.each([
    ['exits', EXITS],
    ['throws', THROWS],
  ])('fails all that is not answered when the thread %s, and what comes later', async (_what, kind) => {
    const { worker, ended } = started();
    const failed = { code: 'ERR_WORKER_FAILED', retriable: true };
    const calls = [ANSWERS, kind, SILENT].map((each) => worker.call(request(each)));
    const [first, ...others] = await Promise.allSettled(calls);
    expect(first).toMatchObject({ status: 'fulfilled' });
    for (const other of others) expect(other).toMatchObject({ status: 'rejected', reason: failed });
    await ended;
    await expect(worker.call(request(ANSWERS))).rejects.toMatchObject(failed);
  });

  it('fails what is not answered when it is ended', async () => {
    const { worker, ended } = started();
    const call = worker.call(request(SILENT));
    await Promise.all([worker.terminate(), expect(call).rejects.toMatchObject({ code: 'ERR_WORKER_FAILED' })]);
    await ended;
  });
});
