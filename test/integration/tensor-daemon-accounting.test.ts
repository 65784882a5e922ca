import { once } from 'node:events';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import type { Lease } from '@tetris/common';
import { spawnInTest } from '../support/child';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { until } from '../support/until';

/** Opens a session on the model that it is told and holds it. */
const HOLDER = `
  const { InferenceSession } = require('onnxruntime-node');
  InferenceSession.create(process.argv[1], { graphOptimizationLevel: 'disabled' }).then((session) => {
    globalThis.session = session;
    console.log('open');
    setInterval(() => undefined, 1000);
  });
`;

describe('tensor daemon: accounting', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  const built: BuiltModel[] = [];

  beforeAll(async () => {
    for (let seed = 1; seed <= 3; seed++) {
      built.push(await buildModel(perceptron(`a${seed}`, { hidden: 720, seed }), models));
    }
  });
  afterEach(async () => {
    await daemon.end();
    rmSync(daemon.store, { recursive: true, force: true });
  });
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const lease = (index: number): Promise<Lease> => {
    const { path = '', name = '' } = built[index] ?? {};
    return daemon.client.lease({ source: fileSource(path), name });
  };
  const mappedBytes = async (): Promise<number> => {
    const metrics = await new Promise<string>((resolve, reject) => {
      const ask = get({ socketPath: join(daemon.folder, 'operator.sock'), path: '/metrics' }, (reply) => {
        text(reply).then(resolve, reject);
      });
      ask.on('error', reject);
    });
    return Number(/^tetris_daemon_mapped_bytes (\d+)$/m.exec(metrics)?.[1] ?? Number.NaN);
  };

  it('tells the bytes that the files take', async () => {
    await daemon.start({ modelRoots: models });
    const held = await lease(0);
    const taken = daemon.files('tensors').map((name) => 512 * statSync(join(daemon.store, 'tensors', name)).blocks);
    expect((await daemon.operator.totals()).uniqueBytes).toBe(taken.reduce((sum, bytes) => sum + bytes, 0));
    held.release();
  });

  it('counts what has no name any more until the last mapping goes, and gives its room to nobody', async () => {
    await daemon.start({ modelRoots: models, storeBytesMax: '12m' });
    const held = await lease(0);
    const holder = spawnInTest(process.execPath, ['-e', HOLDER, daemon.viewPath(held.view)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
    });
    await once(holder.stdout, 'data');
    held.release();
    await until(async () => (await daemon.operator.totals()).leases === 0);
    await daemon.operator.collect();
    await until(() => readdirSync(join(daemon.store, 'tensors')).length === 0);
    await until(async () => (await mappedBytes()) > 0, 'mapped bytes are counted');
    const second = await lease(1);
    await expect(lease(2)).rejects.toMatchObject({ code: 'ERR_STORE_FULL' });
    holder.kill('SIGKILL');
    await until(async () => (await mappedBytes()) === 0, 'the last mapping is gone');
    (await lease(2)).release();
    second.release();
  });

  it('lets idle models go while memory is under pressure, and no longer', async () => {
    const pressurePath = join(daemon.folder, 'pressure');
    const press = (percent: string): void =>
      writeFileSync(pressurePath, `some avg10=${percent} avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00\n`);
    press('0.00');
    await daemon.start({ modelRoots: models, pressurePath });
    const held = await lease(0);
    for (const index of [1, 2]) (await lease(index)).release();
    await until(async () => (await daemon.operator.totals()).leases === 1);
    expect((await daemon.operator.totals()).models).toBe(3);
    press('55.00');
    await until(async () => (await daemon.operator.totals()).models === 1, 'idle models have left');
    expect((await daemon.operator.models()).map(({ name }) => name)).toEqual(['a1']);
    press('0.00');
    (await lease(1)).release();
    await until(async () => (await daemon.operator.totals()).leases === 1);
    expect((await daemon.operator.totals()).models).toBe(2);
    held.release();
  });
});
