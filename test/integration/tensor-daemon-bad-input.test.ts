import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import { type ErrorCode, isPluginError, type LeaseRequest } from '@tetris/common';
import { DataLocation, type ModelProto, ModelProtoSchema } from '@tetris/onnx-format/messages';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { until } from '../support/until';

describe('tensor daemon: bad input', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  const outside = tmpfsFolder('tetris-outside-test-');
  let good: BuiltModel;
  let server: Server;
  let base: string;
  const answers = new Map<string, { status: number; body?: Buffer; headers?: Record<string, string> }>();
  const asked: { path: string; etag: string | undefined }[] = [];

  beforeAll(async () => {
    good = await buildModel(perceptron('good'), models);
    server = createServer((request, reply) => {
      asked.push({ path: request.url ?? '', etag: request.headers['if-none-match'] });
      const { status, body, headers } = answers.get(request.url ?? '') ?? { status: 404 };
      const same = headers?.etag !== undefined && request.headers['if-none-match'] === headers.etag;
      reply.writeHead(same ? 304 : status, headers).end(same ? undefined : body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await daemon.start({
      modelRoots: models,
      modelBytesMax: '4m',
      uploadBytesMax: '6m',
      uploadsMax: 3,
      uploadTtlMs: 1_000,
      urlSources: `${base}/models/,http://localhost.localdomain/`,
      urlMaxAgeMs: 0,
    });
  });
  afterAll(async () => {
    await daemon.dispose();
    server.close();
    for (const folder of [models, outside]) rmSync(folder, { recursive: true, force: true });
  });

  /** What the lease fails with; and nothing may be left of it. */
  const refusal = async (
    source: LeaseRequest['source'],
    name: string,
  ): Promise<{ code: ErrorCode; message: string }> => {
    const before = daemon.files('tensors');
    const error: unknown = await daemon.client.lease({ source, name }).then(
      () => new Error('it was granted'),
      (reason: unknown) => reason,
    );
    if (!isPluginError(error)) throw error;
    expect(daemon.files('tensors')).toEqual(before);
    await until(() => daemon.files('scratch').length === 0, 'scratch is empty');
    expect(await daemon.operator.totals()).toMatchObject({ leases: 0, instances: 0 });
    return { code: error.code, message: error.message };
  };

  const written = (name: string, bytes: Uint8Array): LeaseRequest['source'] => {
    writeFileSync(join(models, name), bytes);
    return fileSource(join(models, name));
  };

  const changed = (change: (model: ModelProto) => void): Uint8Array => {
    const model = fromBinary(ModelProtoSchema, readFileSync(good.path));
    change(model);
    return toBinary(ModelProtoSchema, model);
  };

  it('bad call: a file that is no model', async () => {
    for (const [name, bytes] of [
      ['text.onnx', Buffer.from('this is not a model, but a text of some length')],
      ['empty.onnx', Buffer.alloc(0)],
      ['zeros.onnx', Buffer.alloc(10_000)],
      ['noise.onnx', Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7919) % 256))],
    ] as const) {
      const { code, message } = await refusal(written(name, bytes), name);
      expect(code).toBe('ERR_MODEL_INVALID');
      expect(message).toContain(name);
    }
  });

  it('bad call: a truncated model, wherever it is cut', async () => {
    const whole = readFileSync(good.path);
    for (const share of [0.02, 0.3, 0.7, 0.999]) {
      const { code, message } = await refusal(written('cut.onnx', whole.subarray(0, whole.length * share)), 'cut');
      expect(code).toBe('ERR_MODEL_INVALID');
      expect(message).toContain('cut short');
    }
  });

  it('bad call: an operator or operator set that onnxruntime does not know', async () => {
    const operator = changed((model) => {
      const [node] = model.graph?.node ?? [];
      if (node !== undefined) node.opType = 'Frobnicate';
    });
    const opset = changed((model) => {
      const [first] = model.opsetImport;
      if (first !== undefined) first.version = 999n;
    });
    const first = await refusal(written('operator.onnx', operator), 'operator');
    expect(first).toMatchObject({ code: 'ERR_MODEL_INVALID', message: expect.stringContaining('Frobnicate') });
    const second = await refusal(written('opset.onnx', opset), 'opset');
    expect(second.code).toBe('ERR_MODEL_INVALID');
    expect(second.message).toMatch(/opset/i);
    expect(second.message).not.toContain(daemon.folder);
  });

  it('bad call: a model over the size limit', async () => {
    const path = join(models, 'huge.onnx');
    writeFileSync(path, '');
    truncateSync(path, 5 * 1024 * 1024);
    expect(await refusal(fileSource(path), 'huge')).toMatchObject({
      code: 'ERR_MODEL_TOO_LARGE',
      message: expect.stringContaining('huge'),
    });
  });

  const external = (location: string): Uint8Array =>
    changed((model) => {
      const [tensor] = model.graph?.initializer ?? [];
      if (tensor === undefined) throw new Error('the model has no initializer');
      tensor.dataLocation = DataLocation.EXTERNAL;
      tensor.externalData = [
        { key: 'location', value: location },
        { key: 'offset', value: '0' },
        { key: 'length', value: String(tensor.rawData.length) },
      ].map((entry) => ({ ...entry, $typeName: 'onnx.StringStringEntryProto' }));
    });

  it('bad call: external data that is missing, or outside', async () => {
    writeFileSync(join(outside, 'secret.bin'), Buffer.alloc(100_000));
    const missing = await refusal(written('missing.onnx', external('nowhere.bin')), 'missing');
    expect(missing).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', message: expect.stringContaining('nowhere.bin') });
    for (const location of ['../secret.bin', join(outside, 'secret.bin'), 'a/../../secret.bin']) {
      expect(await refusal(written('leaving.onnx', external(location)), 'leaving')).toMatchObject({
        code: 'ERR_MODEL_INVALID',
        message: expect.stringContaining(location),
      });
    }
    symlinkSync(join(outside, 'secret.bin'), join(models, 'link.bin'));
    expect(await refusal(written('linked.onnx', external('link.bin')), 'linked')).toMatchObject({
      code: 'ERR_MODEL_PATH_OUTSIDE',
    });
  });

  it('bad call: a path outside the registered folders, by dots, links or otherwise', async () => {
    const secret = join(outside, 'secret.onnx');
    writeFileSync(secret, readFileSync(good.path));
    symlinkSync(secret, join(models, 'alias.onnx'));
    symlinkSync(outside, join(models, 'folder'));
    mkdirSync(join(models, 'sub'));
    const seen = fileSource(secret);
    for (const path of [
      secret,
      join(models, 'alias.onnx'),
      join(models, 'folder/secret.onnx'),
      `${models}/../${outside.split('/').at(-1) ?? ''}/secret.onnx`,
      `${models}-else/secret.onnx`,
      '/etc/passwd',
    ]) {
      expect(await refusal({ ...seen, path }, 'path')).toMatchObject({
        code: 'ERR_MODEL_PATH_OUTSIDE',
        message: expect.stringContaining(path),
      });
    }
    for (const path of [join(models, 'sub'), join(models, 'nothing.onnx')]) {
      expect((await refusal({ ...seen, path }, 'path')).code).toBe('ERR_MODEL_NOT_FOUND');
    }
    execFileSync('mkfifo', [join(models, 'pipe.onnx')]);
    expect((await refusal({ ...seen, path: join(models, 'pipe.onnx') }, 'pipe')).code).toBe('ERR_MODEL_NOT_FOUND');
  });

  it('bad call: a file that is another one than the caller sees', async () => {
    const seen = fileSource(good.path);
    expect((await refusal({ ...seen, bytes: seen.bytes + 1 }, 'other')).code).toBe('ERR_MODEL_NOT_FOUND');
    expect((await refusal({ ...seen, mtimeMs: seen.mtimeMs - 60_000 }, 'other')).code).toBe('ERR_MODEL_NOT_FOUND');
  });

  it('reads a model again when it has changed under its name', async () => {
    const path = join(models, 'versions.onnx');
    linkSync((await buildModel(perceptron('version-one', { seed: 1 }), models)).path, path);
    const one = await daemon.client.lease({ source: fileSource(path) });
    rmSync(path);
    linkSync((await buildModel(perceptron('version-two', { seed: 2 }), models)).path, path);
    const two = await daemon.client.lease({ source: fileSource(path) });
    expect(two.modelKey).not.toBe(one.modelKey);
    one.release();
    two.release();
    await until(async () => (await daemon.operator.totals()).leases === 0);
  });

  it('expected failure: uploads over the limits of bytes and count get an answer, and leave nothing', async () => {
    await expect(daemon.client.upload(Buffer.alloc(7 * 1024 * 1024, 1))).rejects.toMatchObject({
      code: 'ERR_MODEL_TOO_LARGE',
    });
    for (let count = 0; count < 3; count++) await daemon.client.upload(Buffer.from(`upload ${count}`));
    await expect(daemon.client.upload(Buffer.from('one more'))).rejects.toMatchObject({ code: 'ERR_UPLOAD_LIMIT' });
    expect(daemon.files('uploads')).toHaveLength(3);
    const { sha256 } = JSON.parse('{"sha256":"' + daemon.files('uploads')[0] + '"}') as { sha256: string };
    expect((await refusal({ kind: 'digest', sha256 }, 'upload')).code).toBe('ERR_MODEL_INVALID');
  });

  it('bad call: a URL that no source allows, a redirect to such, and a name with a private address', async () => {
    for (const url of [
      `${base}/other/model.onnx`,
      `${base}/models/../other/model.onnx`,
      `${base}/models-else/model.onnx`,
      `http://user:secret@${base.slice(7)}/models/model.onnx`,
      'http://127.0.0.1:1/models/model.onnx',
      `file://${good.path}`,
      'not a url',
    ]) {
      expect((await refusal({ kind: 'url', url }, 'url')).code).toBe('ERR_MODEL_SOURCE_UNKNOWN');
    }
    answers.set('/models/away.onnx', { status: 302, headers: { location: 'http://169.254.169.254/latest' } });
    expect(await refusal({ kind: 'url', url: `${base}/models/away.onnx` }, 'url')).toMatchObject({
      code: 'ERR_MODEL_SOURCE_UNKNOWN',
      message: expect.stringContaining('169.254.169.254'),
    });
    expect((await refusal({ kind: 'url', url: `${base}/models/absent.onnx` }, 'url')).code).toBe('ERR_MODEL_NOT_FOUND');
    answers.set('/models/broken.onnx', { status: 500 });
    expect((await refusal({ kind: 'url', url: `${base}/models/broken.onnx` }, 'url')).code).toBe(
      'ERR_MODEL_FETCH_FAILED',
    );
    expect((await refusal({ kind: 'url', url: 'http://localhost.localdomain/m.onnx' }, 'url')).code).toBe(
      'ERR_MODEL_FETCH_FAILED',
    );
  });

  it('fetches an allowed URL, asks with its tag the next time, and does not fetch again what is the same', async () => {
    await until(() => daemon.files('uploads').length === 0, 'earlier uploads have expired');
    answers.set('/models/good.onnx', { status: 200, body: readFileSync(good.path), headers: { etag: '"one"' } });
    const url = `${base}/models/good.onnx`;
    const one = await daemon.client.lease({ source: { kind: 'url', url } });
    const two = await daemon.client.lease({ source: { kind: 'url', url } });
    const three = await daemon.client.lease({ source: fileSource(good.path) });
    expect([two.modelKey, two.warm]).toEqual([one.modelKey, true]);
    expect(three.modelKey).toBe(one.modelKey);
    expect(asked.filter(({ path }) => path === '/models/good.onnx').map(({ etag }) => etag)).toEqual([
      undefined,
      '"one"',
    ]);
    for (const lease of [one, two, three]) lease.release();
    await until(async () => (await daemon.operator.totals()).leases === 0);
  });
});
