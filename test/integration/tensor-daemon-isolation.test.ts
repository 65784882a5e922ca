import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type BuiltModel, buildModel, perceptron, transformer } from '@tetris/bench';
import { isPluginError, type Lease } from '@tetris/common';
import { DataLocation, ModelProtoSchema } from '@tetris/onnx-format/messages';
import { processTree } from '../../bench/src/measure/process-memory';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { infer } from '../support/infer';
import { leaseText, rawConnection } from '../support/raw-socket';
import { until } from '../support/until';
import { itAsRoot } from '../support/as-root';

/** Any user but the daemon's. */
const OTHER_USER = 65534;

/** The command that runs `command` as another user. */
const asOtherUser = (...command: string[]): string[] => [
  ...['setpriv', '--reuid', String(OTHER_USER), '--regid', String(OTHER_USER), '--clear-groups', '--'],
  ...command,
];

/** An installation in a closed folder cannot run under another user: the daemon says so when it starts. */
const [setpriv = '', ...mayRead] = asOtherUser('test', '-r', __filename);
const itAsRootInOpenFolder = spawnSync(setpriv, mayRead).status === 0 ? itAsRoot : it.skip;

/** What a script prints that another user runs. */
function asOther(script: string, ...args: string[]): string {
  const [command = '', ...rest] = asOtherUser(process.execPath, '-e', script, ...args);
  return execFileSync(command, rest, { encoding: 'utf8', cwd: '/' });
}

/** Tries each of `attempts` (JavaScript expressions); prints what came of them. */
const ATTEMPTS = `
const fs = require('node:fs');
const net = require('node:net');
const [paths, ...attempts] = process.argv.slice(1);
const p = JSON.parse(paths);
console.log(JSON.stringify(attempts.map((text) => {
  try { eval(text); return 'done'; } catch (error) { return error.code ?? String(error); }
})));
`;

describe('tensor daemon: isolation', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  let model: BuiltModel;
  let held: Lease[] = [];

  beforeAll(async () => {
    model = await buildModel(perceptron('shared', { hidden: 512 }), models);
    for (const folder of [daemon.folder, models]) chmodSync(folder, 0o755);
  });
  afterEach(async () => {
    for (const lease of held) lease.release();
    held = [];
    await daemon.end();
    rmSync(daemon.store, { recursive: true, force: true });
  });
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const lease = async (instance?: string, path = model.path): Promise<Lease> => {
    const one = await daemon.client.lease({
      source: fileSource(path),
      ...(instance !== undefined && { instance, namespace: 'claimed' }),
    });
    held.push(one);
    return one;
  };
  const register = async (...instances: [string, string][]): Promise<void> => {
    for (const [instance, namespace] of instances) await daemon.operator.registerInstance(instance, { namespace });
  };
  const socketPath = join(daemon.folder, 'instance.sock');

  describe('what another user sees', () => {
    itAsRoot(
      'reads what it has leased, and can list, guess, write, replace or remove nothing',
      async () => {
        await daemon.start({ modelRoots: models });
        const { view } = await lease('instance-its-own-00');
        const graph = daemon.viewPath(view);
        const [tensor = ''] = readdirSync(join(graph, '..')).filter((name) => name !== 'model.onnx');
        const paths = { graph, tensor: join(graph, '..', tensor), view: join(graph, '..'), store: daemon.store };
        const before = statSync(paths.tensor);
        const expected: [string, string][] = [
          ['fs.readFileSync(p.graph)', 'done'],
          ['fs.readFileSync(p.tensor)', 'done'],
          ['fs.readdirSync(p.view)', 'done'],
          ['fs.readdirSync(p.store)', 'EACCES'],
          ['fs.readdirSync(p.store + "/views")', 'EACCES'],
          ['fs.readdirSync(p.store + "/tensors")', 'EACCES'],
          [`fs.readFileSync(p.store + "/tensors/${tensor}")`, 'EACCES'],
          ['fs.readdirSync(p.store + "/models")', 'EACCES'],
          ['fs.readdirSync(p.store + "/uploads")', 'EACCES'],
          ['fs.readdirSync(p.store + "/scratch")', 'EACCES'],
          ['fs.readdirSync(p.store + "/instances")', 'EACCES'],
          ['fs.openSync(p.tensor, "r+")', 'EACCES'],
          ['fs.openSync(p.graph, "a")', 'EACCES'],
          ['fs.truncateSync(p.tensor)', 'EACCES'],
          ['fs.chmodSync(p.tensor, 0o666)', 'EPERM'],
          ['fs.unlinkSync(p.tensor)', 'EACCES'],
          ['fs.renameSync(p.tensor, p.graph)', 'EACCES'],
          ['fs.writeFileSync(p.view + "/new", "")', 'EACCES'],
          ['fs.mkdirSync(p.store + "/views/instance-made-up-00")', 'EACCES'],
        ];
        const found = JSON.parse(
          asOther(ATTEMPTS, JSON.stringify(paths), ...expected.map(([text]) => text)),
        ) as string[];
        expect(found.map((outcome, index) => [expected[index]?.[0], outcome])).toEqual(expected);
        expect(statSync(paths.tensor)).toMatchObject({ size: before.size, mtimeMs: before.mtimeMs, mode: before.mode });
      },
      30_000,
    );

    itAsRoot(
      'may use the instance socket, and cannot connect to the operator socket',
      async () => {
        await daemon.start({ modelRoots: models });
        const script = `
        const socket = require('node:net').connect(process.argv[1]);
        socket.on('connect', () => { console.log('connected'); socket.destroy(); });
        socket.on('error', ({ code }) => console.log(code));`;
        expect(asOther(script, socketPath).trim()).toBe('connected');
        expect(asOther(script, join(daemon.folder, 'operator.sock')).trim()).toBe('EACCES');
      },
      30_000,
    );

    itAsRootInOpenFolder(
      'is what the optimizer process runs as, where it is given a user of its own',
      async () => {
        await daemon.start({ modelRoots: models, ingestUser: OTHER_USER });
        const large = await buildModel(transformer('large', { layers: 4, hidden: 512, heads: 8 }), models);
        const users = new Set<string>();
        const looking = setInterval(() => {
          for (const child of processTree(daemon.pid).slice(1)) {
            try {
              // Before it becomes what is started, a process looks like the daemon that starts it.
              const [program, script = ''] = readFileSync(`/proc/${child}/cmdline`, 'latin1').split('\0');
              if (program !== process.execPath || !script.endsWith('optimize-child.js')) continue;
              const [, user = ''] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${child}/status`, 'utf8')) ?? [];
              users.add(user);
            } catch {
              // It has ended meanwhile.
            }
          }
        }, 5);
        const { view } = await lease(undefined, large.path).finally(() => clearInterval(looking));
        expect([...users]).toEqual([String(OTHER_USER)]);
        expect(statSync(daemon.viewPath(view)).uid).toBe(process.getuid?.());
        for (const name of daemon.files('tensors')) expect(statSync(join(daemon.store, 'tensors', name)).uid).toBe(0);
        await daemon.logged({ user: 1 });
      },
      60_000,
    );
  });

  describe('who shares with whom', () => {
    const links = (): number[] => [...daemon.links().values()];

    it('all, where sharing is "cluster"', async () => {
      await daemon.start({ modelRoots: models });
      await register(['instance-one-00000', 'one'], ['instance-two-00000', 'two']);
      const [one, two] = [await lease('instance-one-00000'), await lease('instance-two-00000')];
      expect(two).toMatchObject({ modelKey: one.modelKey, warm: true });
      expect(new Set(links())).toEqual(new Set([3]));
    });

    it('the registered instances of one namespace, where it is "namespace", and whoever claims to be of it with nobody', async () => {
      await daemon.start({ modelRoots: models, sharing: 'namespace' });
      await register(['instance-one-00000', 'one'], ['instance-one-11111', 'one'], ['instance-two-00000', 'claimed']);
      const one = await lease('instance-one-00000');
      const tensors = daemon.files('tensors').length;
      expect(await lease('instance-one-11111')).toMatchObject({ modelKey: one.modelKey, warm: true });
      const two = await lease('instance-two-00000');
      expect(two.warm).toBe(false);
      expect(two.modelKey).not.toBe(one.modelKey);
      expect(daemon.files('tensors')).toHaveLength(2 * tensors);
      // It says that it belongs to the namespace "claimed", as the last one does.
      expect((await lease('instance-liar-0000')).warm).toBe(false);
      expect(daemon.files('tensors')).toHaveLength(3 * tensors);
      const feeds = model.inputs(1, 1);
      const answers = await Promise.all([one, two].map(({ view }) => infer(daemon.viewPath(view), feeds, 'disabled')));
      expect(answers[0]).toEqual(answers[1]);
    });

    it('nobody, where it is "off": not even an upload is found by another', async () => {
      await daemon.start({ modelRoots: models, sharing: 'off' });
      await register(['instance-one-00000', 'one'], ['instance-one-11111', 'one']);
      const { sha256 } = await daemon.client.upload(readFileSync(model.path), 'instance-one-00000');
      const wanted = { kind: 'digest', sha256 } as const;
      held.push(await daemon.client.lease({ source: wanted, instance: 'instance-one-00000' }));
      await expect(daemon.client.lease({ source: wanted, instance: 'instance-one-11111' })).rejects.toMatchObject({
        code: 'ERR_MODEL_UNKNOWN',
      });
      expect((await lease('instance-one-11111')).warm).toBe(false);
    });
  });

  describe('limits of a namespace', () => {
    it('expected failure: uploads over its count or bytes are refused, and others are served', async () => {
      await daemon.start({ uploadsPerNamespaceMax: 2, uploadBytesPerNamespaceMax: '64k' });
      await register(['instance-one-00000', 'one'], ['instance-two-00000', 'two']);
      const upload = (text: string, instance?: string) => daemon.client.upload(Buffer.from(text), instance);
      await upload('a', 'instance-one-00000');
      await expect(upload('b'.repeat(65_536), 'instance-one-00000')).rejects.toMatchObject({
        code: 'ERR_UPLOAD_LIMIT',
        message: expect.stringContaining('of a namespace'),
      });
      await upload('b', 'instance-one-00000');
      await expect(upload('c', 'instance-one-00000')).rejects.toMatchObject({ code: 'ERR_UPLOAD_LIMIT' });
      await upload('c', 'instance-two-00000');
      expect(daemon.files('uploads')).toHaveLength(3);
    });

    it('expected failure: leases and models over its limits are refused, and others are served', async () => {
      await daemon.start({ modelRoots: models, leasesPerNamespaceMax: 3, modelsPerNamespaceMax: 1 });
      await register(['instance-one-00000', 'one'], ['instance-two-00000', 'two']);
      const second = await buildModel(perceptron('second', { seed: 2 }), models);
      await lease('instance-one-00000');
      await expect(lease('instance-one-00000', second.path)).rejects.toMatchObject({ code: 'ERR_LEASE_LIMIT' });
      await lease('instance-two-00000', second.path);
      await lease('instance-one-00000');
      await lease('instance-one-00000');
      await expect(lease('instance-one-00000')).rejects.toMatchObject({ code: 'ERR_LEASE_LIMIT' });
      expect((await daemon.operator.totals()).leases).toBe(4);
    });

    it('expected failure: models to ingest over its limit are refused while others wait their turn', async () => {
      await daemon.start({ modelRoots: models, ingestsPerNamespaceMax: 1 });
      await register(['instance-one-00000', 'one'], ['instance-two-00000', 'two']);
      const [first, second] = [
        await buildModel(transformer('first', { layers: 2, hidden: 256, heads: 4 }), models),
        await buildModel(transformer('second', { layers: 2, hidden: 256, heads: 4, seed: 5 }), models),
      ];
      const under = lease('instance-one-00000', first.path);
      await until(() => daemon.files('scratch').length > 0, 'the first ingest has begun');
      await expect(lease('instance-one-00000', second.path)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
      await Promise.all([under, lease('instance-two-00000', second.path)]);
    });

    it('expected failure: who is not registered is not served, where the operator says so', async () => {
      await daemon.start({ modelRoots: models, instancesRegisteredOnly: 'true' });
      await register(['instance-one-00000', 'one']);
      await lease('instance-one-00000');
      for (const call of [lease('instance-made-up-0'), lease(), daemon.client.upload(Buffer.from('a'))]) {
        await expect(call).rejects.toMatchObject({ code: 'ERR_INSTANCE_UNKNOWN' });
      }
      expect(daemon.files('uploads')).toEqual([]);
      expect(daemon.files('views')).toEqual(['instance-one-00000']);
    });
  });

  describe('what uploads may claim', () => {
    /**
     * The model with its first weight in a file, written as protobuf allows but no library writes: value before key.
     */
    const naming = (location: string): Buffer => {
      const proto = fromBinary(ModelProtoSchema, readFileSync(model.path));
      const [weight] = proto.graph?.initializer ?? [];
      if (weight === undefined) throw new Error('the model has no initializer');
      const length = String(weight.rawData.length);
      weight.rawData = new Uint8Array();
      weight.dataLocation = DataLocation.EXTERNAL;
      weight.externalData = [
        ['location', location],
        ['length', length],
      ].map(([key = '', value = '']) => ({ $typeName: 'onnx.StringStringEntryProto', key, value }));
      const bytes = Buffer.from(toBinary(ModelProtoSchema, proto));
      const [key, value] = [field(1, 'location'), field(2, location)];
      const at = bytes.indexOf(Buffer.concat([key, value]));
      Buffer.concat([value, key]).copy(bytes, at);
      return bytes;
    };
    const field = (number: number, text: string): Buffer =>
      Buffer.concat([Buffer.from([number * 8 + 2, text.length]), Buffer.from(text)]);

    it('bad call: a model that names external data which was not given, or lies outside', async () => {
      await daemon.start();
      writeFileSync(join(models, 'secret.bin'), Buffer.alloc(1_000_000, 7));
      for (const location of ['not-given.bin', '../secret.bin', join(models, 'secret.bin'), 'a/../../../secret.bin']) {
        const { sha256 } = await daemon.client.upload(naming(location));
        await expect(daemon.client.lease({ source: { kind: 'digest', sha256 } })).rejects.toMatchObject({
          code: 'ERR_MODEL_INVALID',
          message: expect.stringContaining(location),
        });
      }
      expect(daemon.files('tensors')).toEqual([]);
    });

    it('bad call: external data under names that leave the folder, hide the model or clash', async () => {
      await daemon.start();
      const { sha256 } = await daemon.client.upload(readFileSync(model.path));
      const { sha256: data } = await daemon.client.upload(Buffer.from('data'));
      for (const locations of [
        ['../escape'],
        ['/tmp/escape'],
        ['model.onnx'],
        ['a', 'a'],
        ['a', 'a/b'],
        ['.'],
        ['x'.repeat(300)],
        ['a\0b'],
      ]) {
        const externalData = locations.map((location) => ({ location, sha256: data }));
        await expect(daemon.client.lease({ source: { kind: 'digest', sha256, externalData } })).rejects.toMatchObject({
          code: 'ERR_MODEL_INVALID',
        });
        await until(() => daemon.files('scratch').length === 0, 'nothing is left');
      }
      expect(daemon.files('tensors')).toEqual([]);
    });

    it('the digest is of what arrived: nothing can be put in the place of another model', async () => {
      await daemon.start({ modelRoots: models });
      const evil = await buildModel(perceptron('evil', { hidden: 512, seed: 666 }), models);
      const claimed = createHash('sha256').update(readFileSync(model.path)).digest('hex');
      const { sha256 } = await daemon.client.upload(readFileSync(evil.path));
      expect(sha256).not.toBe(claimed);
      await expect(daemon.client.lease({ source: { kind: 'digest', sha256: claimed } })).rejects.toMatchObject({
        code: 'ERR_MODEL_UNKNOWN',
      });
      held.push(await daemon.client.lease({ source: { kind: 'digest', sha256 } }));
      const honest = await lease();
      const feeds = model.inputs(1, 1);
      const [expected, found] = [
        Object.values(await infer(model.path, feeds))[0]?.data ?? [],
        Object.values(await infer(daemon.viewPath(honest.view), feeds, 'disabled'))[0]?.data ?? [],
      ];
      for (const [index, value] of expected.entries()) expect(found[index]).toBeCloseTo(value, 4);
    });
  });

  describe('abuse of the socket', () => {
    it('expected failure: silent and half-open connections are ended, and keep nobody out', async () => {
      await daemon.start({ modelRoots: models, connectionsPendingMax: 20, connectionPendingMs: 1_500 });
      const one = await lease();
      const silent = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          rawConnection(socketPath, ...(index % 2 === 0 ? [] : ['POST /v1/leases HTTP/1.1\r\nhost: daemon\r\n'])),
        ),
      );
      await until(() => silent.filter(({ socket }) => !socket.destroyed).length <= 20, 'the oldest are ended');
      const other = await lease();
      await Promise.all(silent.map(({ closed }) => closed));
      // Leases are no pending connections, however long they are silent.
      expect((await daemon.operator.leases()).map(({ leaseId }) => leaseId).sort()).toEqual(
        [one.leaseId, other.leaseId].sort(),
      );
    });

    it('expected failure: a body that trickles in is ended, and an upload that stalls leaves nothing', async () => {
      await daemon.start({ modelRoots: models, connectionPendingMs: 700, uploadIdleMs: 400, uploadTimeoutMs: 1_500 });
      const slowBody = await rawConnection(socketPath, `${leaseText('x'.repeat(100)).slice(0, -50)}`);
      const head = 'PUT /v1/uploads HTTP/1.1\r\nhost: daemon\r\ncontent-type: application/octet-stream\r\n';
      const stalled = await rawConnection(socketPath, `${head}content-length: 1000000\r\n\r\n`, 'some');
      const trickling = await rawConnection(socketPath, `${head}content-length: 1000000\r\n\r\n`);
      const drops = setInterval(() => trickling.socket.write('.'), 100);
      await Promise.all([slowBody, stalled, trickling].map(({ closed }) => closed));
      clearInterval(drops);
      await until(() => daemon.files('uploads').length === 0, 'nothing is left of the uploads');
      expect(await daemon.client.health()).toMatchObject({ state: 'ready' });
    });

    it('bad call: huge heads, huge or malformed JSON, and requests of another protocol', async () => {
      await daemon.start({ modelRoots: models });
      const answer = async (...parts: string[]): Promise<string> => {
        const connection = await rawConnection(socketPath, ...parts);
        await until(() => connection.said().includes('\r\n\r\n') || connection.socket.destroyed, 'an answer');
        connection.socket.destroy();
        return connection.said().split('\r\n', 1)[0] ?? '';
      };
      const head = 'POST /v1/leases HTTP/1.1\r\nhost: daemon\r\n';
      expect(await answer(`${head}x-huge: ${'a'.repeat(100_000)}\r\n\r\n`)).toContain('431');
      expect(await answer(leaseText(`"${'a'.repeat(300_000)}"`))).toContain('400');
      expect(await answer(leaseText('['.repeat(200_000)))).toContain('400');
      expect(await answer(leaseText('{"__proto__": {"instance": "x"}}'))).toContain('400');
      expect(await answer(leaseText({ source: null, namespace: 'x'.repeat(1_000) }))).toContain('400');
      expect(await answer(`${head}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n`)).toContain('400');
      expect(await answer('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n')).toContain('400');
      expect(await answer('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toContain('400');
      expect(await answer('GET /v1/tensors HTTP/1.1\r\nhost: daemon\r\n\r\n')).toContain('404');
      expect(await answer('DELETE /v1/instances/instance-x-00000000 HTTP/1.1\r\nhost: daemon\r\n\r\n')).toContain(
        '404',
      );
      const bad: unknown = await daemon.client
        .lease({ source: { kind: 'file', path: 'x', bytes: -1, mtimeMs: 0 } })
        .catch((error: unknown) => error);
      expect(isPluginError(bad, 'ERR_BAD_REQUEST')).toBe(true);
      expect(await daemon.operator.totals()).toMatchObject({ leases: 0, instances: 0, tensors: 0 });
    });
  });
});
