/**
 * Sharing is an optimisation: whatever the daemon does, an action answers as on stock onnxruntime, and the log says
 * why.
 */
import { feedsOf } from '@tetris/bench';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestDaemon } from '../support/daemon';
import { expectClose, onStock, probeFeeds, probeInstance } from '../support/probe';
import { manyTensors, UNUSUAL_MODELS, writeModelProto } from '../support/unusual-models';
import { until } from '../support/until';

const folder = mkdtempSync(path.join(tmpdir(), 'sharing-'));
const model = path.join(folder, 'model.onnx');
const daemon = new TestDaemon();

beforeAll(() => {
  const kind = UNUSUAL_MODELS['int8, dynamic'];
  if (kind === undefined) throw new Error('there is no such model');
  writeModelProto(model, kind.make());
});
afterEach(() => daemon.end('SIGKILL'));
afterAll(async () => {
  await daemon.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const feeds = feedsOf([{ name: 'x', type: 'float32', dims: ['batch', 64], bound: 1 }], 3, 1);
const calls = [{ feeds: probeFeeds(feeds) }];

const instance = (more: Record<string, string> = {}, tetris = {}) =>
  probeInstance(
    {
      TETRIS_RUNTIME_DAEMON_SOCKET: path.join(daemon.folder, 'instance.sock'),
      TETRIS_RUNTIME_VIEWS: path.join(daemon.store, 'views'),
      TETRIS_RUNTIME_BUSY_RETRY_MS: '20',
      TETRIS_RUNTIME_DAEMON_SILENCE_MS: '3000',
      ...more,
    },
    {},
    tetris,
  );

/** Runs a model in an instance of its own and on stock onnxruntime. @returns what the instance logged */
async function said(env: Record<string, string> = {}): Promise<string> {
  const { runtime, probe } = await instance(env);
  try {
    const [actual, expected] = [await probe({ model, calls, keep: true }), await onStock({ model, calls, keep: true })];
    expect(actual.create).toBeUndefined();
    expectClose(actual, expected);
    return runtime.stderr;
  } finally {
    await runtime.stop();
  }
}

describe('a daemon that', () => {
  it.each([
    ['serves others only', { instancesRegisteredOnly: 'true' }, 'refused', /registered/],
    ['has no room', { storeBytesMax: 1_000 }, 'too-large|store-full', /limit is 1000|is full/],
    ['takes no model of this size', { modelBytesMax: 100 }, 'too-large', /the limit is 100/],
    ['has no time to optimize', { ingestTimeoutMs: 1 }, 'ingest-failed', /took longer than 1 ms/],
  ] as const)('%s', async (_name, config, reasons, text) => {
    await daemon.start(config);
    const log = await said();
    expect(log).toMatch(/tetris: .*model\.onnx is loaded privately: /);
    expect(log).toMatch(text);
    const counted = new RegExp(`tetris_daemon_private_loads_total\\{reason="(${reasons})"\\} 1`);
    await until(async () => counted.test(await daemon.operator.metrics()), 'the private load is counted');
  });

  it('is gone', async () => {
    expect(await said()).toMatch(/model\.onnx is loaded privately: no answer from the tensor daemon/);
  });

  it('says nothing: the next model does not wait for it again', async () => {
    await daemon.start();
    process.kill(daemon.pid, 'SIGSTOP');
    const { runtime, probe } = await instance({ TETRIS_RUNTIME_DAEMON_SILENCE_MS: '300' });
    try {
      expect((await probe({ model, calls })).calls[0]).toHaveProperty('results');
      expect(runtime.stderr).toMatch(/model\.onnx is loaded privately: the tensor daemon said nothing for 300 ms/);
      const other = path.join(folder, 'other.onnx');
      writeModelProto(other, manyTensors(1));
      expect((await probe({ model: other, calls })).calls[0]).toHaveProperty('results');
      expect(runtime.stderr).toMatch(/other\.onnx is loaded privately: the tensor daemon was slow just now/);
    } finally {
      process.kill(daemon.pid, 'SIGCONT');
      await runtime.stop();
    }
  });

  it('takes longer than a load waits for has the model for the next one', async () => {
    await daemon.start();
    expect(await said({ TETRIS_RUNTIME_SHARE_WAIT_MS: '1' })).toMatch(/was not ready within 1 ms/);
    // The instance is gone by now, and its request with it; one that lives on has it made.
    const { runtime, probe } = await instance({ TETRIS_RUNTIME_SHARE_WAIT_MS: '1' });
    try {
      await probe({ model, calls });
      await until(async () => (await daemon.operator.models()).length === 1, 'the model is in the store');
    } finally {
      await runtime.stop();
    }
    expect(await said()).not.toContain('privately');
  });
});

it.each(['path', 'buffer'])(
  'a worker that cannot load a shared model, whose daemon and view are gone, fails no run: by %s',
  async (as) => {
    await daemon.start();
    const { runtime, probe } = await instance({}, { workers: 2 });
    try {
      await probe({ model, as, calls, keep: true });
      await daemon.end('SIGKILL');
      rmSync(path.join(daemon.store, 'views'), { recursive: true });
      const again = () => probe({ reuse: true, keep: true, calls });
      const reports = await Promise.all([again(), again(), again(), again()]);
      for (const {
        calls: [report],
      } of reports)
        expect(report).toHaveProperty('results');
    } finally {
      await runtime.stop();
    }
  },
);

describe('uploads', () => {
  it('count until their model is in the store: 200 models of a namespace, one after the other', async () => {
    await daemon.start({ uploadsPerNamespaceMax: 2 });
    const token = 'a'.repeat(32);
    await daemon.operator.registerInstance(token, { namespace: 'guest' });
    const { models: before } = await daemon.operator.totals();
    for (let number = 0; number < 200; number++) {
      const file = path.join(folder, 'one-of-many.onnx');
      writeModelProto(file, manyTensors(1 + number));
      const bytes = readFileSync(file);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      await daemon.client.upload(bytes, token);
      const lease = await daemon.client.lease({ instance: token, source: { kind: 'digest', sha256 } });
      lease.release();
    }
    expect(daemon.files('uploads')).toEqual([]);
    expect((await daemon.operator.totals()).models - before).toBe(200);
  }, 600_000);
});
