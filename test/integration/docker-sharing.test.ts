import { buildModel, type BuiltModel, perceptron } from '@tetris/bench';
import { DaemonOperator, endProcess } from '@tetris/common';
import type { Container, DockerFactory } from '@tetris/invoker-extension';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { containerSpec, dockerFactory, initialise, invoke, resultOf } from '../support/docker/action-container';
import { type Engine, ENGINE_TIMEOUT_MS, startEngine } from '../support/docker/engine';
import { inNamespace, mountMemory, namespaceFolder } from '../support/docker/namespace';
import { until } from '../support/until';

const MIB = 1024 ** 2;
const TEST_TIMEOUT_MS = 120_000;
/** Three layers: some 120 MB of weights. */
const SHAPE = { inputs: 2048, hidden: 4500 };
/**
 * The least private memory that sharing has to save, of the model's bytes. Not all of them: an instance may keep up to
 * 24 MB of freed heap (`MALLOC_TRIM_THRESHOLD_`), a fifth of this model, and by chance only the sharing one does.
 */
const SAVED_MIN = 0.7;

/** Runs the model once, and tells what its container lets it see and change. */
const ACTION = `
const fs = require('node:fs');
const ort = require('onnxruntime-node');
const attempt = (what) => { try { what(); return 'done'; } catch (error) { return error.code; } };
let session;
exports.main = async ({ model, token }) => {
  session ??= await ort.InferenceSession.create(model);
  const features = new ort.Tensor('float32', new Float32Array(${SHAPE.inputs}).fill(0.1), [1, ${SHAPE.inputs}]);
  const { logits } = await session.run({ features });
  const views = attempt(() => fs.readdirSync('/tetris/views')) === 'done' ? fs.readdirSync('/tetris/views') : [];
  const own = '/tetris/views/' + token;
  const files = fs.existsSync(own) ? fs.readdirSync(own, { recursive: true }).map((name) => own + '/' + name) : [];
  const file = files.find((name) => fs.statSync(name).isFile());
  return {
    logits: Array.from(logits.data),
    views,
    file,
    write: attempt(() => fs.closeSync(fs.openSync(file, 'r+'))),
    remove: attempt(() => fs.unlinkSync(file)),
    create: attempt(() => fs.writeFileSync(own + '/mine', '')),
    sockets: attempt(() => fs.readdirSync('/run/tetris')) === 'done' ? fs.readdirSync('/run/tetris') : [],
  };
};`;

interface Seen {
  logits: number[];
  views: string[];
  file: string;
  write: string;
  remove: string;
  create: string;
  sockets: string[];
}

inNamespace(__filename, () => {
  jest.setTimeout(TEST_TIMEOUT_MS);
  let engine: Engine;
  let daemon: ChildProcess;
  let operator: DaemonOperator;
  let model: BuiltModel;
  let sharing: DockerFactory;
  let alone: DockerFactory;

  beforeAll(async () => {
    const folder = mkdtempSync(join(namespaceFolder(), 'sharing-'));
    chmodSync(namespaceFolder(), 0o755);
    chmodSync(folder, 0o755);
    model = await buildModel(perceptron('perceptron', SHAPE), join(folder, 'models'));
    const roots = [{ inside: '/models', outside: dirname(model.path) }];
    const paths = {
      daemonSocketPath: join(folder, 'instance/daemon.sock'),
      operatorSocketPath: join(folder, 'operator.sock'),
    };
    mkdirSync(dirname(paths.daemonSocketPath));
    mountMemory(join(folder, 'store'), '1g');
    daemon = startDaemon(folder, paths, roots);
    operator = new DaemonOperator(paths.operatorSocketPath);
    await until(() =>
      operator.health().then(
        () => true,
        () => false,
      ),
    );
    engine = await startEngine();
    await engine.runtimeImage();
    sharing = dockerFactory(engine, { invoker: '0', modelRoots: roots, ...paths });
    alone = dockerFactory(engine, { invoker: '1', modelRoots: roots });
  }, ENGINE_TIMEOUT_MS);

  afterAll(async () => {
    await Promise.all([sharing.close(), alone.close()]);
    await engine.stop();
    await endProcess(daemon);
  }, ENGINE_TIMEOUT_MS);

  /** A container whose instance the daemon knows, with the model loaded, and what its action saw. */
  async function sharingContainer(): Promise<{ container: Container; token: string; seen: Seen }> {
    const spec = containerSpec({ memoryBytes: 512 * MIB });
    const { viewPath } = await operator.registerInstance(spec.instance, { namespace: 'guest' });
    const container = await sharing.create({ ...spec, viewPath });
    await initialise(container, ACTION);
    return { container, token: spec.instance, seen: await see(container, spec.instance) };
  }

  async function see(container: Container, token: string): Promise<Seen> {
    return (await resultOf(invoke(container, { model: '/models/perceptron.onnx', token }))) as unknown as Seen;
  }

  describe('containers that share tensors', () => {
    it('give the same answers as one that does not, at a fraction of its private memory', async () => {
      const [one, two] = [await sharingContainer(), await sharingContainer()];
      const lone = await alone.create(containerSpec({ memoryBytes: 512 * MIB }));
      await initialise(lone, ACTION);
      const { logits } = await see(lone, 'none');
      for (const { seen } of [one, two]) {
        seen.logits.forEach((logit, index) => expect(logit).toBeCloseTo(logits[index] ?? Number.NaN, 4));
      }
      const [loneBytes, secondBytes] = await Promise.all([lone.privateBytes(), two.container.privateBytes()]);
      expect(Number(loneBytes) - Number(secondBytes)).toBeGreaterThan(SAVED_MIN * model.bytes);

      const { leases, uniqueBytes, unsharedBytes } = await operator.totals();
      expect(leases).toBe(2);
      expect(unsharedBytes / uniqueBytes).toBeCloseTo(2, 1);
    });

    it('see their own view and nothing else of the store', async () => {
      const [{ token, seen }] = [await sharingContainer(), await sharingContainer()];
      expect(seen.views).toEqual([token]);
      expect(seen.file).toContain(token);
      expect(seen.sockets).toEqual(['daemon.sock']);
    });

    it('expected failure: cannot write, remove or add a file of a view', async () => {
      const { seen } = await sharingContainer();
      expect(seen).toMatchObject({ create: 'EROFS', remove: 'EROFS' });
      // The file's mode says so before the mount is asked.
      expect(['EACCES', 'EROFS']).toContain(seen.write);
    });

    it('give their leases back when they are killed, and keep them while they are paused', async () => {
      const { leases: before } = await operator.totals();
      const { container } = await sharingContainer();
      await container.pause();
      expect((await operator.totals()).leases).toBe(before + 1);
      await container.destroy();
      await until(async () => (await operator.totals()).leases === before);
    });
  });
});

function startDaemon(
  folder: string,
  { daemonSocketPath, operatorSocketPath }: { daemonSocketPath: string; operatorSocketPath: string },
  roots: readonly { inside: string; outside: string }[],
): ChildProcess {
  return spawn(process.execPath, [require.resolve('@tetris/tensor-daemon/dist/main')], {
    env: {
      PATH: process.env['PATH'],
      TETRIS_DAEMON_SOCKET_PATH: daemonSocketPath,
      TETRIS_DAEMON_OPERATOR_SOCKET_PATH: operatorSocketPath,
      TETRIS_DAEMON_STORE_PATH: join(folder, 'store'),
      TETRIS_DAEMON_STORE_BYTES_MAX: '1g',
      TETRIS_DAEMON_MODEL_ROOTS: roots.map(({ inside, outside }) => `${inside}=${outside}`).join(','),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
