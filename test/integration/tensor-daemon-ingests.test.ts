import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type BuiltModel, buildModel, perceptron, transformer } from '@tetris/bench';
import { DaemonClient } from '@tetris/common';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { storeFaults } from '../support/store-state';
import { until } from '../support/until';

const CLI = join(__dirname, '../../tensor-daemon/dist/cli.js');

describe('tensor daemon: every way an ingest, or a removal, can end', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  let small: BuiltModel;
  let large: BuiltModel;

  beforeAll(async () => {
    small = await buildModel(perceptron('small', { hidden: 512 }), models);
    large = await buildModel(transformer('large', { layers: 4, hidden: 512, heads: 8 }), models);
    await daemon.start({ modelRoots: models, cleanupRetryMs: 20 });
  });
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const tetrisTensors = async (...args: string[]): Promise<unknown> => {
    const env = { PATH: process.env.PATH, ...daemon.environment() };
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...args, '--json'], { env });
    return stdout === '' ? undefined : JSON.parse(stdout);
  };

  /** Bytes of the files in `tensors/` that totals do not count. */
  const uncounted = async (): Promise<number> => {
    const taken = daemon.files('tensors').map((name) => 512 * statSync(join(daemon.store, 'tensors', name)).blocks);
    return taken.reduce((sum, bytes) => sum + bytes, 0) - (await daemon.operator.totals()).uniqueBytes;
  };

  it('leaves no byte that totals do not count when its only waiter hangs up while tensors are published', async () => {
    for (let round = 0; round < 3; round++) {
      const hangUp = new AbortController();
      const client = new DaemonClient(join(daemon.folder, 'instance.sock'));
      const lost = client.lease(
        { source: fileSource(large.path) },
        ({ phase }) => phase === 'publish' && hangUp.abort(),
        hangUp.signal,
      );
      await expect(lost).rejects.toThrow();
      await until(() => daemon.files('scratch').length === 0, 'nothing is left of the ingest');
      expect([await uncounted(), daemon.files('tensors'), await daemon.operator.ingests()]).toEqual([0, [], []]);
    }
  });

  it('is listed, and ended by an operator for all who wait', async () => {
    const lost = daemon.client.lease({ source: fileSource(large.path), name: 'large' });
    const refused = expect(lost).rejects.toMatchObject({
      code: 'ERR_INGEST_FAILED',
      retriable: false,
      message: expect.stringContaining('aborted by an operator') as string,
    });
    await until(async () => (await daemon.operator.ingests()).length === 1, 'the ingest is listed');
    const [row] = (await tetrisTensors('ingests')) as { ingestId: string }[];
    expect(row).toMatchObject({ name: 'large', namespace: '', waiting: 1 });
    await tetrisTensors('ingests', '--abort', row?.ingestId ?? '');
    await refused;
    expect(await daemon.operator.ingests()).toEqual([]);
    await until(() => storeFaults(daemon.store).length === 0, 'nothing is left of it');
    await expect(daemon.operator.abortIngest(row?.ingestId ?? '')).rejects.toMatchObject({
      code: 'ERR_INGEST_UNKNOWN',
    });
  });

  it('goes on where a view cannot be removed, and removes it at a later attempt', async () => {
    const lease = await daemon.client.lease({ source: fileSource(small.path) });
    // What unlink cannot remove: EISDIR.
    mkdirSync(join(dirname(daemon.viewPath(lease.view)), '0-in-the-way', 'folder'), { recursive: true });
    lease.release();
    await daemon.logged({ 'removal failed': 1 });
    await until(() => storeFaults(daemon.store).length === 0, 'the view is gone');
    expect((await daemon.operator.health()).state).toBe('ready');
    expect(await daemon.operator.metrics()).toContain('tetris_daemon_cleanup_failures_total{outcome="retried"} 1');
    (await daemon.client.lease({ source: fileSource(small.path) })).release();
  });

  it('has no more room than its file system, and says so', async () => {
    const other = new TestDaemon();
    try {
      await other.start({ storeBytesMax: '1000000g' });
      const { blocks, bsize } = statfsSync(other.store);
      expect((await other.operator.totals()).budgetBytes).toBe(blocks * bsize);
      await other.logged({ 'the store has no more room than its file system': 1 });
    } finally {
      await other.dispose();
    }
  });
});
