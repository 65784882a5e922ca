import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltModel, buildModel, perceptron, transformer } from '@tetris/bench';
import { spawnInTest } from '../support/child';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { infer } from '../support/infer';
import { until } from '../support/until';

/** Holds a lease in a process of its own, as an instance does. */
const HOLDER = `
const { DaemonClient } = require('@tetris/common/daemon');
const [, socket, request] = process.argv;
new DaemonClient(socket).lease(JSON.parse(request)).then(() => process.stdout.write('leased'));
`;

describe('tensor daemon: crashes', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  const config = { modelRoots: models, instanceGraceMs: 500 };
  let model: BuiltModel;
  beforeAll(async () => {
    model = await buildModel(perceptron('crash', { hidden: 512 }), models);
    await daemon.start(config);
  });
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const references = (): number[] => [...daemon.links().values()].map((links) => links - 1);

  it('releases the views of a holder that is killed', async () => {
    const request = JSON.stringify({ source: fileSource(model.path), name: 'held' });
    const holder = spawnInTest(process.execPath, ['-e', HOLDER, join(daemon.folder, 'instance.sock'), request], {
      cwd: __dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    holder.stdout.on('data', (text: Buffer) => (said += text.toString()));
    await until(() => said === 'leased', 'the holder has its lease');
    expect(Math.min(...references())).toBe(1);
    holder.kill('SIGKILL');
    await until(async () => (await daemon.operator.totals()).leases === 0);
    await until(() => Math.max(...references()) === 0);
    expect(daemon.files('views')).toEqual([]);
  });

  it('comes back from SIGKILL with every tensor, and keeps the views of instances that are announced again', async () => {
    const token = 'instance-survivor-0';
    const silent = 'instance-silent-00';
    for (const each of [token, silent]) await daemon.operator.registerInstance(each, { namespace: 'guest' });
    const lease = await daemon.client.lease({ source: fileSource(model.path), instance: token });
    const anonymous = await daemon.client.lease({ source: fileSource(model.path) });
    const tensors = daemon.files('tensors');
    const before = await daemon.operator.totals();

    await daemon.end('SIGKILL');
    await Promise.all([lease.ended, anonymous.ended]);
    const instanceGraceMs = 2_000;
    await daemon.start({ ...config, instanceGraceMs });

    expect(daemon.files('tensors').sort()).toEqual(tensors.sort());
    expect((await daemon.operator.totals()).uniqueBytes).toBe(before.uniqueBytes);
    expect(daemon.files('views').sort()).toEqual([silent, token]);
    expect(new Set(references())).toEqual(new Set([1]));
    await daemon.operator.registerInstance(token, { namespace: 'guest' });
    await until(() => !daemon.files('views').includes(silent), 'the grace of the others is over');
    await daemon.operator.collect();
    expect(existsSync(daemon.viewPath(lease.view))).toBe(true);
    const feeds = model.inputs(1, 1);
    expect(await infer(daemon.viewPath(lease.view), feeds, 'disabled')).toHaveProperty('logits');

    const again = await daemon.client.lease({ source: fileSource(model.path), instance: token });
    expect(again).toMatchObject({ warm: true, view: lease.view });
    again.release();
    await daemon.operator.releaseInstance(token);
    await until(() => Math.max(...references()) === 0);
  });

  it('drops the views of an instance that nobody announces again', async () => {
    const token = 'instance-forgotten-';
    await daemon.operator.registerInstance(token, { namespace: 'guest' });
    await daemon.client.lease({ source: fileSource(model.path), instance: token });
    await daemon.end('SIGKILL');
    await daemon.start({ ...config, instanceGraceMs: 600_000 });
    expect(daemon.files('views')).toEqual([token]);
    await daemon.end('SIGKILL');
    await daemon.start(config);
    await until(() => daemon.files('views').length === 0, 'its view is gone');
    expect(Math.max(...references())).toBe(0);
  });

  it('leaves nothing of an ingest that it was killed in', async () => {
    const large = await buildModel(transformer('large', { layers: 4, hidden: 512, heads: 8 }), models);
    const before = daemon.files('tensors').sort();
    const events: string[] = [];
    const lost = daemon.client.lease({ source: fileSource(large.path) }, ({ phase }) => events.push(phase));
    const refused = expect(lost).rejects.toMatchObject({ code: 'ERR_DAEMON_UNAVAILABLE' });
    await until(() => events.includes('publish'), 'the ingest publishes tensors');
    await daemon.end('SIGKILL');
    await refused;
    await daemon.start(config);
    expect(daemon.files('tensors').sort()).toEqual(before);
    expect(daemon.files('scratch')).toEqual([]);
    const lease = await daemon.client.lease({ source: fileSource(large.path) });
    expect(lease.warm).toBe(false);
    lease.release();
  });

  it('leaves nothing of an ingest whose only waiter is gone', async () => {
    const abandoned = await buildModel(transformer('abandoned', { layers: 4, hidden: 512, heads: 8, seed: 9 }), models);
    const socket = join(daemon.folder, 'instance.sock');
    const request = JSON.stringify({ source: fileSource(abandoned.path), name: 'abandoned' });
    const holder = spawnInTest(process.execPath, ['-e', HOLDER, socket, request], { cwd: __dirname, stdio: 'ignore' });
    await until(() => daemon.files('scratch').length > 0, 'the ingest has begun');
    holder.kill('SIGKILL');
    await until(() => daemon.files('scratch').length === 0, 'the ingest is gone');
    expect((await daemon.operator.models()).map(({ name }) => name)).not.toContain('abandoned');
    const children = (): string => readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8').trim();
    await until(() => children() === '', 'the optimizer process is gone');
  });

  it('sweeps what does not belong into the store, and a tensor that was cut short', async () => {
    await daemon.end('SIGTERM');
    const [torn = ''] = daemon.files('tensors');
    const path = join(daemon.store, 'tensors', torn);
    rmSync(path);
    writeFileSync(path, 'half a ten');
    writeFileSync(join(daemon.store, 'tensors', 'stray'), '');
    writeFileSync(join(daemon.store, 'scratch', 'left'), '');
    await daemon.start(config);
    expect(daemon.files('tensors')).not.toContain('stray');
    expect(daemon.files('tensors')).not.toContain(torn);
    expect(daemon.files('scratch')).toEqual([]);
    const lease = await daemon.client.lease({ source: fileSource(model.path) });
    expect(await infer(daemon.viewPath(lease.view), model.inputs(1, 1), 'disabled')).toHaveProperty('logits');
    lease.release();
  });

  it('expected failure: a second daemon over the same store or sockets does not start', async () => {
    const second = new TestDaemon();
    await expect(second.start({ storePath: daemon.store })).rejects.toThrow(/another daemon serves the store/);
    await expect(second.start({ operatorSocketPath: join(daemon.folder, 'operator.sock') })).rejects.toThrow(
      /another process serves/,
    );
    await second.dispose();
    expect((await daemon.operator.health()).state).toBe('ready');
  });

  it('stops in order on SIGTERM', async () => {
    const lease = await daemon.client.lease({ source: fileSource(model.path) });
    expect(await daemon.end('SIGTERM')).toBe(0);
    await lease.ended;
  });
});
