/** What a stranger may try who wants the daemon to break, to wait or to fill up. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { feedsOf, node } from '@tetris/bench';
import { isPluginError, type LeaseRequest } from '@tetris/common';
import {
  DataLocation,
  type ModelProto,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
} from '@tetris/onnx-format/messages';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { folderBytes } from '../support/folder-bytes';
import { infer } from '../support/infer';
import { leaseText, rawConnection } from '../support/raw-socket';
import { constantOf, manyTensors, model, writeModelProto } from '../support/unusual-models';
import { until } from '../support/until';

const MIB = 1024 ** 2;

describe('tensor daemon: hostile input', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-hostile-test-');
  const socketPath = join(daemon.folder, 'instance.sock');
  const config = { modelRoots: models, storeBytesMax: '64m', ingestTimeoutMs: 60_000 };
  beforeAll(() => daemon.start(config));
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  /** A lease's failure; nothing may be left of it, and the daemon must serve on. */
  const refusal = async (wanted: LeaseRequest): Promise<{ code: string; message: string }> => {
    const error: unknown = await daemon.client.lease(wanted).then(
      () => new Error('it was granted'),
      (reason: unknown) => reason,
    );
    if (!isPluginError(error)) throw error;
    expect(error.code).not.toBe('ERR_INTERNAL');
    await until(() => daemon.files('scratch').length === 0, 'scratch is empty');
    expect([daemon.files('tensors'), daemon.files('views')]).toEqual([[], []]);
    expect(await daemon.client.health()).toMatchObject({ state: 'ready' });
    return { code: error.code, message: error.message };
  };
  const written = (name: string, proto: ModelProto): LeaseRequest => {
    writeModelProto(join(models, name), proto);
    return { source: fileSource(join(models, name)), name };
  };

  describe('models', () => {
    const weight = (change: Partial<TensorProto>): TensorProto =>
      create(TensorProtoSchema, { name: 'w', dataType: TensorType.FLOAT, dims: [64n, 64n], ...change } as never);
    const using = (tensor: TensorProto): ModelProto => model([node('MatMul', ['x', 'w'], ['y'])], [tensor]);
    const external = (entries: Record<string, string>): Partial<TensorProto> => ({
      dataLocation: DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
    });

    it.each([
      ['a billion numbers that are not there', { dims: [1_000_000_000n], rawData: new Uint8Array(16) }],
      ['more numbers than can be counted', { dims: [2n ** 62n, 4n], rawData: new Uint8Array(16) }],
      ['a negative size', { dims: [-64n, 64n], rawData: new Uint8Array(16_384) }],
      ['a type that does not exist', { dataType: 4711, rawData: new Uint8Array(16_384) }],
      ['a length without end', external({ location: 'w.bin', offset: '0', length: '18446744073709551615' })],
      ['an offset behind its file', external({ location: 'w.bin', offset: '9007199254740992', length: '16384' })],
      ['a place that is no number', external({ location: 'w.bin', offset: 'one', length: '-1' })],
    ] as [string, Partial<TensorProto>][])('bad call: a tensor of %s', async (_what, change) => {
      writeFileSync(join(models, 'w.bin'), Buffer.alloc(16_384));
      expect((await refusal(written('tensor.onnx', using(weight(change))))).code).toBe('ERR_MODEL_INVALID');
    });

    it.each([
      ['/proc/self/mem', 'ERR_MODEL_INVALID'],
      ['/dev/zero', 'ERR_MODEL_INVALID'],
      ['../../proc/self/environ', 'ERR_MODEL_INVALID'],
      ['zero', 'ERR_MODEL_PATH_OUTSIDE'],
      ['mem', 'ERR_MODEL_PATH_OUTSIDE'],
      ['pipe', 'ERR_MODEL_NOT_FOUND'],
      ['folder', 'ERR_MODEL_NOT_FOUND'],
      ['terabyte', 'ERR_MODEL_TOO_LARGE'],
    ])('bad call: external data at %s', async (location, code) => {
      rmSync(models, { recursive: true });
      mkdirSync(join(models, 'folder'), { recursive: true });
      symlinkSync('/dev/zero', join(models, 'zero'));
      symlinkSync('/proc/self/mem', join(models, 'mem'));
      execFileSync('mkfifo', [join(models, 'pipe')]);
      const file = openSync(join(models, 'terabyte'), 'w');
      ftruncateSync(file, 1024 ** 4);
      closeSync(file);
      const { code: found, message } = await refusal(
        written('device.onnx', using(weight(external({ location, offset: '0', length: '16384' })))),
      );
      expect([found, message]).toEqual([code, expect.stringContaining('device.onnx')]);
    });

    it('expected failure: a model of 200 bytes that computes constants larger than the store is ended in time', async () => {
      // 256 MB of ones, which the optimizer folds and saves.
      const bomb = model(
        [
          node('ConstantOfShape', ['shape'], ['ones'], { value: constantOf(1) }),
          node('MatMul', ['x', 'ones'], ['product']),
          node('ReduceSum', ['product'], ['y'], { keepdims: 1 }),
        ],
        [
          create(TensorProtoSchema, {
            name: 'shape',
            dataType: TensorType.INT64,
            dims: [2n],
            int64Data: [64n, 1_000_000n],
          }),
        ],
      );
      let peak = 0;
      const looking = setInterval(() => {
        peak = Math.max(peak, folderBytes(join(daemon.store, 'scratch')));
      }, 20);
      const found = await refusal(written('bomb.onnx', bomb)).finally(() => clearInterval(looking));
      expect(found).toMatchObject({ code: 'ERR_STORE_FULL', message: expect.stringContaining('bomb.onnx') });
      // What one file may have is bounded by the store; the room for it is asked for while it grows.
      expect(peak).toBeLessThanOrEqual(80 * MIB);
    });

    it('bad call: graph options without end', async () => {
      const wanted = written('options.onnx', manyTensors(1));
      const overrides = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`dimension-${index}`, 1]));
      const graph = { freeDimensionOverrides: overrides };
      expect((await refusal({ ...wanted, graph })).code).toBe('ERR_BAD_REQUEST');
      const long = { freeDimensionOverrides: { ['x'.repeat(100_000)]: 1 } };
      expect((await refusal({ ...wanted, graph: long })).code).toBe('ERR_BAD_REQUEST');
    });
  });

  describe('names', () => {
    const path = join(models, 'fine.onnx');

    it.each([
      ['NUL', `${models}/a\0b.onnx`],
      ['a line', `${models}/a\nb.onnx`],
      ['text that runs backwards', `${models}/\u202exnno.a`],
      ['half a character', `${models}/\ud800.onnx`],
      ['nothing', ''],
      ['dots', '..'],
      ['400 folders', `${models}/${'a/'.repeat(400)}b`],
    ])('bad call: a path with %s is a file that is not there', async (_what, name) => {
      const { code } = await refusal({ source: { kind: 'file', path: name, bytes: 1, mtimeMs: 0 }, name });
      expect(code).toMatch(/^ERR_MODEL_(NOT_FOUND|PATH_OUTSIDE)$/);
    });

    it('bad call: a URL with the same', async () => {
      for (const url of [
        'http://a\0b/',
        'http://a\nb/',
        '\u202ehttp://x/',
        'javascript:1',
        `data:,${'x'.repeat(4_000)}`,
      ]) {
        expect((await refusal({ source: { kind: 'url', url } })).code).toBe('ERR_MODEL_SOURCE_UNKNOWN');
      }
    });

    it('shows names with control characters by their codes, in tables and as JSON', async () => {
      writeModelProto(path, manyTensors(1));
      const name = 'evil\u001b[2J\u202e\nrow\0';
      const lease = await daemon.client.lease({ source: fileSource(path), name });
      const cli = (...args: string[]): string =>
        execFileSync(
          process.execPath,
          [
            require.resolve('@tetris/tensor-daemon/dist/cli'),
            '--socket',
            join(daemon.folder, 'operator.sock'),
            ...args,
          ],
          { encoding: 'utf8' },
        );
      for (const list of ['models', 'leases', 'views']) {
        for (const shown of [cli(list), cli('--json', list)]) {
          expect(shown).toContain('evil\\u001b[2J\\u202e');

          expect(shown).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
        }
      }
      expect(JSON.parse(cli('--json', 'leases'))).toMatchObject([{ name }]);
      lease.release();
      await until(async () => (await daemon.operator.leases()).length === 0);
      await daemon.operator.collect();
    });
  });

  describe('connections', () => {
    const open = (path: string): Promise<Socket | undefined> =>
      new Promise((resolve) => {
        const socket = connect(path, () => resolve(socket));
        socket.on('error', () => resolve(undefined));
      });

    it('serves others while thousands of connections say nothing, little or too much', async () => {
      const crowd = await Promise.all(Array.from({ length: 3_000 }, () => open(socketPath)));
      const noise = Buffer.alloc(1_000, 0x41);
      for (const [index, socket] of crowd.entries()) {
        if (index % 3 === 1) socket?.write('PUT /v1/uploads HTTP/1.1\r\nhost: x\r\n');
        if (index % 3 === 2) socket?.write(noise);
      }
      writeModelProto(join(models, 'fine.onnx'), manyTensors(1));
      const lease = await daemon.client.lease({ source: fileSource(join(models, 'fine.onnx')) });
      const [feed = []] = [feedsOf([{ name: 'x', type: 'float32', dims: ['batch', 64], bound: 1 }], 1, 1)];
      expect((await infer(daemon.viewPath(lease.view), feed, 'disabled'))['y']?.data).toHaveLength(64);
      for (const socket of crowd) socket?.destroy();
      lease.release();
      await until(async () => (await daemon.operator.leases()).length === 0);
      await daemon.operator.collect();
    });

    it('expected failure: a connection that asks for more behind its lease is ended, and its lease with it', async () => {
      writeModelProto(join(models, 'fine.onnx'), manyTensors(1));
      const lease = leaseText({ source: fileSource(join(models, 'fine.onnx')) });
      const health = 'GET /v1/health HTTP/1.1\r\nhost: daemon\r\n\r\n';
      const flood = await rawConnection(socketPath, lease);
      await until(async () => (await daemon.operator.leases()).length === 1, 'the lease is held');
      flood.socket.pause();
      for (let sent = 0; sent < 100 && !flood.socket.destroyed; sent++) flood.socket.write(health.repeat(2_000));
      const atOnce = await rawConnection(socketPath, lease.repeat(10));
      await until(async () => (await daemon.operator.leases()).length === 0, 'no lease is left');
      await atOnce.closed;
      flood.socket.destroy();
      expect(daemon.files('views')).toEqual([]);
      await daemon.operator.collect();
    });

    it('keeps its memory when a connection asks without end and reads nothing', async () => {
      const { socket } = await rawConnection(socketPath);
      const before = residentBytes(daemon.pid);
      const request = 'GET /v1/health HTTP/1.1\r\nhost: daemon\r\n\r\n'.repeat(2_000);
      socket.pause();
      for (let sent = 0; sent < 400 && socket.writableLength < 16 * MIB; sent++) {
        socket.write(request);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await daemon.client.health()).toMatchObject({ state: 'ready' });
      expect(residentBytes(daemon.pid) - before).toBeLessThan(100 * MIB);
      socket.destroy();
    });

    it('bad call: methods, upgrades and targets that make no sense get an answer', async () => {
      for (const head of [
        'CONNECT localhost:22 HTTP/1.1\r\nhost: x\r\n\r\n',
        'GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
        'GET http://169.254.169.254/latest HTTP/1.1\r\nhost: x\r\n\r\n',
        'GET /v1/%00%ff%zz HTTP/1.1\r\nhost: x\r\n\r\n',
        'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n',
        `GET /${'a/'.repeat(5_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
        'PUT /v1/uploads HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999999999999999\r\n\r\n',
      ]) {
        const connection = await rawConnection(socketPath, head);
        await until(() => connection.socket.destroyed || /^HTTP\/1\.1 \d/.test(connection.said()), head);
        connection.socket.destroy();
      }
      expect(await daemon.client.health()).toMatchObject({ state: 'ready' });
    });
  });
});

function residentBytes(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}
