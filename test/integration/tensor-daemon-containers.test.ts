/** Two containers of two namespaces on a real engine, mounted as the invoker extension mounts them; one attacks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildModel, perceptron } from '@tetris/bench';
import { DaemonClient, DaemonOperator } from '@tetris/common';
import type { Container, DockerFactory } from '@tetris/invoker-extension';
import { containerSpec, dockerFactory, initialise, invoke, resultOf } from '../support/docker/action-container';
import { type Engine, ENGINE_TIMEOUT_MS, startEngine } from '../support/docker/engine';
import { inNamespace, mountMemory, namespaceFolder } from '../support/docker/namespace';
import { until } from '../support/until';

const SOCKET = '/run/tetris/daemon.sock';

/** Loads a model, tries expressions over `p`, and asks the daemon, as its arguments say. */
const ACTION = `
const fs = require('node:fs');
const net = require('node:net');
const http = require('node:http');
const ort = require('onnxruntime-node');
const sessions = [];
const outcome = (what) => { try { const found = what(); return Array.isArray(found) ? found : 'done'; } catch (error) { return error.code ?? String(error); } };
const ask = ({ method, path, body }) => new Promise((resolve) => {
  const call = http.request({ socketPath: '${SOCKET}', method, path, headers: body === undefined ? {} : { 'content-type': 'application/json' } }, (reply) => {
    let text = '';
    reply.setEncoding('utf8').on('data', (part) => {
      text += part;
      const last = text.trim().split('\\n').at(-1);
      if (path === '/v1/leases' && /"(leased|failed)"/.test(last)) { resolve({ status: reply.statusCode, ...JSON.parse(last) }); sessions.push(reply); }
    });
    reply.on('end', () => resolve({ status: reply.statusCode, text }));
  });
  call.on('error', ({ code }) => resolve({ code }));
  call.end(body === undefined ? undefined : JSON.stringify(body));
});
const load = async (model) => {
  try {
    const session = await ort.InferenceSession.create(model);
    sessions.push(session);
    const { logits } = await session.run({ features: new ort.Tensor('float32', new Float32Array(64).fill(0.1), [1, 64]) });
    return Array.from(logits.data);
  } catch (error) { return { code: error.code, message: error.message }; }
};
exports.main = async ({ model, p, attempts = [], requests = [], hangUp = false }) => {
  const answers = [];
  for (const request of requests) answers.push(await ask(request));
  if (hangUp) for (const session of sessions.splice(0)) session.destroy?.();
  return {
    loaded: model === undefined ? undefined : await load(model),
    outcomes: attempts.map((text) => outcome(() => eval(text))),
    answers,
    tmpdir: require('node:os').tmpdir(),
  };
};`;

interface Answer {
  status?: number;
  code?: string;
  event?: string;
  view?: string;
  error?: { code: string };
}

interface Seen {
  loaded?: number[] | { code: string; message: string };
  outcomes: (string | string[])[];
  answers: Answer[];
  tmpdir: string;
}

inNamespace(__filename, () => {
  let engine: Engine;
  let daemon: ChildProcess;
  let operator: DaemonOperator;
  let client: DaemonClient;
  let factory: DockerFactory;
  let store: string;
  let sockets: { daemonSocketPath: string; operatorSocketPath: string };
  let victim: { container: Container; token: string; view: string; tensors: string[] };
  let attacker: { container: Container; token: string };

  const started = async (namespace: string): Promise<{ container: Container; token: string }> => {
    const spec = containerSpec();
    const { viewPath } = await operator.registerInstance(spec.instance, { namespace });
    const container = await factory.create({ ...spec, viewPath });
    await initialise(container, ACTION);
    return { container, token: spec.instance };
  };
  const run = async (container: Container, argument: object): Promise<Seen> =>
    (await resultOf(invoke(container, argument as Record<string, unknown>))) as unknown as Seen;

  beforeAll(async () => {
    const folder = mkdtempSync(join(namespaceFolder(), 'isolation-'));
    for (const open of [namespaceFolder(), folder]) chmodSync(open, 0o755);
    const model = await buildModel(perceptron('model'), join(folder, 'models'));
    sockets = {
      daemonSocketPath: join(folder, 'instance/daemon.sock'),
      operatorSocketPath: join(folder, 'operator/daemon.sock'),
    };
    store = join(folder, 'store');
    mountMemory(store, '256m');
    const roots = [{ inside: '/models', outside: dirname(model.path) }];
    daemon = spawn(process.execPath, [require.resolve('@tetris/tensor-daemon/dist/main')], {
      env: {
        PATH: process.env['PATH'],
        TETRIS_DAEMON_SOCKET_PATH: sockets.daemonSocketPath,
        TETRIS_DAEMON_OPERATOR_SOCKET_PATH: sockets.operatorSocketPath,
        TETRIS_DAEMON_STORE_PATH: store,
        TETRIS_DAEMON_STORE_BYTES_MAX: '200m',
        TETRIS_DAEMON_MODEL_ROOTS: `/models=${dirname(model.path)}`,
        TETRIS_DAEMON_SHARING: 'namespace',
        TETRIS_DAEMON_INSTANCES_REGISTERED_ONLY: 'true',
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    operator = new DaemonOperator(sockets.operatorSocketPath);
    client = new DaemonClient(sockets.daemonSocketPath);
    await until(() =>
      client.health().then(
        () => true,
        () => false,
      ),
    );
    engine = await startEngine();
    await engine.runtimeImage();
    factory = dockerFactory(engine, { invoker: '0', modelRoots: roots, ...sockets });

    const one = await started('alpha');
    expect((await run(one.container, { model: '/models/model.onnx' })).loaded).toHaveLength(10);
    const [held] = await operator.leases();
    const view = `${one.token}/${held?.modelKey ?? ''}`;
    victim = { ...one, view, tensors: readdirSync(join(store, 'views', view)).filter((name) => name !== 'model.onnx') };
    attacker = await started('beta');
  }, ENGINE_TIMEOUT_MS);
  afterAll(async () => {
    await factory.close();
    await engine.stop();
    const exited = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await exited;
  }, ENGINE_TIMEOUT_MS);

  /** Tries expressions in the attacker's container. */
  const attempt = async (p: Record<string, string>, expected: [string, string | string[] | RegExp][]) => {
    const { outcomes } = await run(attacker.container, { p, attempts: expected.map(([text]) => text) });
    for (const [index, [text, wanted]] of expected.entries()) {
      const found = outcomes[index];
      if (wanted instanceof RegExp) expect([text, String(found)]).toEqual([text, expect.stringMatching(wanted)]);
      else expect([text, found]).toEqual([text, wanted]);
    }
  };

  describe('a container of another namespace', () => {
    it('sees its own view and nothing else of the store, whatever it knows of the rest', async () => {
      const p = {
        own: `/tetris/views/${attacker.token}`,
        other: `/tetris/views/${victim.view}`,
        tensor: victim.tensors[0] ?? '',
        store,
      };
      await attempt(p, [
        ['fs.readdirSync("/tetris/views")', [attacker.token]],
        ['fs.readdirSync(p.own)', []],
        ['fs.readFileSync(p.other + "/model.onnx")', 'ENOENT'],
        ['fs.readFileSync(p.other + "/" + p.tensor)', 'ENOENT'],
        [`fs.readdirSync(p.own + "/../${victim.token}")`, 'ENOENT'],
        ['fs.readdirSync(p.own + "/../../tensors")', 'ENOENT'],
        ['fs.readFileSync(p.own + "/" + p.tensor)', 'ENOENT'],
        ['fs.readdirSync(p.store)', 'ENOENT'],
        ['fs.readFileSync(p.store + "/tensors/" + p.tensor)', 'ENOENT'],
        ['fs.readdirSync("/proc/1/root" + p.store)', /^(ENOENT|EACCES)$/],
        ['fs.readdirSync("/proc/1/root/tetris/views")', /^(ENOENT|EACCES|test-token-[0-9]+)$/],
      ]);
    });

    it('cannot change what it sees: neither its view nor, once it has one, a model in it', async () => {
      const { loaded } = await run(attacker.container, { model: '/models/model.onnx' });
      expect(loaded).toHaveLength(10);
      const own = join(store, 'views', attacker.token);
      const [key = ''] = readdirSync(own);
      const [tensor = ''] = readdirSync(join(own, key)).filter((name) => name !== 'model.onnx');
      const before = readFileSync(join(own, key, tensor));
      const refused = /^(EROFS|EACCES|EPERM)$/;
      await attempt(
        { view: `/tetris/views/${attacker.token}`, model: `/tetris/views/${attacker.token}/${key}`, tensor },
        [
          ['fs.readFileSync(p.model + "/" + p.tensor)', 'done'],
          ['fs.openSync(p.model + "/" + p.tensor, "r+")', refused],
          ['fs.truncateSync(p.model + "/" + p.tensor)', refused],
          ['fs.chmodSync(p.model + "/" + p.tensor, 0o666)', refused],
          ['fs.utimesSync(p.model + "/" + p.tensor, 0, 0)', refused],
          ['fs.unlinkSync(p.model + "/" + p.tensor)', refused],
          ['fs.renameSync(p.model + "/" + p.tensor, p.model + "/x")', refused],
          ['fs.rmSync(p.model, { recursive: true })', refused],
          ['fs.writeFileSync(p.model + "/x", "")', refused],
          ['fs.mkdirSync(p.view + "/" + "a".repeat(64))', refused],
          ['fs.symlinkSync("/etc/passwd", p.view + "/x")', refused],
          ['fs.linkSync(p.model + "/" + p.tensor, require("node:os").tmpdir() + "/x")', /^(EXDEV|EPERM|EACCES)$/],
          ['fs.readdirSync("/models").forEach((name) => fs.unlinkSync("/models/" + name))', refused],
          ['fs.unlinkSync("/run/tetris/daemon.sock")', refused],
        ],
      );
      expect(readFileSync(join(own, key, tensor)).equals(before)).toBe(true);
    });

    it('does not reach the operator socket, and may ask nothing of the operator on its own', async () => {
      await attempt({ operator: sockets.operatorSocketPath }, [
        ['fs.readdirSync("/run/tetris")', ['daemon.sock']],
        ['fs.readdirSync("/run/tetris/../operator")', 'ENOENT'],
        ['fs.statSync(p.operator)', 'ENOENT'],
        ['fs.statSync("/run/tetris/operator/daemon.sock")', 'ENOENT'],
      ]);
      const paths = ['instances', 'tensors', 'models', 'leases', 'totals', 'inventory'].map((name) => `/v1/${name}`);
      const { answers } = await run(attacker.container, {
        requests: [
          ...[...paths, '/metrics', `/v1/instances/${victim.token}`].map((path) => ({ method: 'GET', path })),
          { method: 'DELETE', path: `/v1/instances/${victim.token}` },
          { method: 'PUT', path: `/v1/instances/${attacker.token}`, body: { namespace: 'alpha' } },
          { method: 'POST', path: '/v1/collect' },
        ],
      });
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 404));
      expect((await operator.instance(attacker.token)).namespace).toBe('beta');
    });

    it('leases under no token that is made up, and gains nothing under one that it has come by', async () => {
      const { size, mtimeMs } = statSync(join(dirname(store), 'models/model.onnx'));
      const source = { kind: 'file', path: '/models/model.onnx', bytes: size, mtimeMs };
      const lease = (instance?: string) => ({ method: 'POST', path: '/v1/leases', body: { source, instance } });
      const { answers } = await run(attacker.container, {
        requests: [lease('test-token-made-up-1'), lease(), lease(victim.token)],
      });
      expect(answers.map(({ event, error }) => error?.code ?? event)).toEqual([
        'ERR_INSTANCE_UNKNOWN',
        'ERR_INSTANCE_UNKNOWN',
        'leased',
      ]);
      await attempt({ stolen: `/tetris/views/${answers[2]?.view ?? ''}` }, [['fs.readFileSync(p.stolen)', 'ENOENT']]);
      const ofVictim = async () => (await operator.leases()).filter(({ instance }) => instance === victim.token);
      expect(await ofVictim()).toHaveLength(2);
      await run(attacker.container, { hangUp: true });
      await until(async () => (await ofVictim()).length === 1, 'the stolen lease has ended');
      // What the victim holds, it still holds.
      expect(existsSync(join(store, 'views', victim.view, 'model.onnx'))).toBe(true);
      expect((await run(victim.container, { model: '/models/model.onnx' })).loaded).toHaveLength(10);
    });

    it('finds no upload of another namespace by its digest, nor anything by that of a tensor', async () => {
      const bytes = readFileSync(join(dirname(store), 'models/model.onnx'));
      const secret = Buffer.concat([bytes, Buffer.from([0x4a, 1, 0])]);
      const { sha256 } = await client.upload(secret, victim.token);
      const lease = (digest: string) => ({
        method: 'POST',
        path: '/v1/leases',
        body: { source: { kind: 'digest', sha256: digest, externalData: [] }, instance: attacker.token },
      });
      const { answers } = await run(attacker.container, { requests: [sha256, ...victim.tensors].map(lease) });
      expect(answers.map(({ error }) => error?.code)).toEqual(answers.map(() => 'ERR_MODEL_UNKNOWN'));
    });

    it('bad call: makes nobody read through a link that it leaves where its own models are', async () => {
      const { tmpdir } = await run(attacker.container, {});
      await attempt({ tmpdir, other: `/tetris/views/${victim.view}/model.onnx` }, [
        ['fs.symlinkSync("/etc/passwd", p.tmpdir + "/passwd.onnx")', 'done'],
        ['fs.symlinkSync("/proc/self/environ", p.tmpdir + "/environ.onnx")', 'done'],
        ['fs.symlinkSync(p.other, p.tmpdir + "/other.onnx")', 'done'],
      ]);
      for (const name of ['passwd', 'environ', 'other']) {
        const { loaded } = await run(attacker.container, { model: `${tmpdir}/${name}.onnx` });
        // The container opens it itself, and finds what is its own to read: no model, or nothing.
        expect(loaded).toEqual({ message: expect.stringMatching(/^Load model from \S+ failed/) });
      }
      expect(readdirSync(join(store, 'scratch'))).toEqual([]);
    });
  });
});
