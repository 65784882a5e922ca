/**
 * What peers that cannot use each other's tensors do for each other: models as they came, and word of what URLs held.
 */
import { createHash, createHmac } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buildExternalModel, buildModel, type BuiltModel, freePort, perceptron } from '@tetris/bench';
import type { Lease } from '@tetris/common';
import { nodeCertificate } from '../support/certificates';
import { otherCpu, TestDaemon, tmpfsFolder } from '../support/daemon';
import { infer } from '../support/infer';
import { TamperingProxy } from '../support/tampering-proxy';
import { until } from '../support/until';
import { UrlOrigin } from '../support/url-origin';

const SECRET = 'a secret of some length';
const ETAG = '"one"';
const ORIGINALS = '/v1/originals/';

describe('tensor daemon: peers of another platform, and URLs', () => {
  const folder = tmpfsFolder('tetris-originals-test-');
  const [one, two] = [new TestDaemon(), new TestDaemon()];
  const origin = new UrlOrigin();
  const secretPath = join(folder, 'secret');
  const disk = join(folder, 'disk');
  let [onePort, twoPort] = [0, 0];
  const proxy = new TamperingProxy(() => onePort);
  let proxyUrl = '';
  let base = '';
  let unlike: { cpuInfoPath: string };
  let model: BuiltModel;
  let changed: BuiltModel;
  let external: BuiltModel;

  beforeAll(async () => {
    writeFileSync(secretPath, SECRET);
    unlike = { cpuInfoPath: otherCpu(folder) };
    // Some 2.3 MB.
    model = await buildModel(perceptron('original', { hidden: 720 }), folder);
    changed = await buildModel(perceptron('changed', { hidden: 720, seed: 2 }), folder);
    external = await buildExternalModel(perceptron('external', { hidden: 256 }), folder);
    [onePort, twoPort] = [await freePort(), await freePort()];
    [proxyUrl, base] = [await proxy.open(), await origin.open()];
  });
  beforeEach(() => {
    origin.contents.clear();
    origin.contents.set('/model.onnx', { file: model.path, etag: ETAG });
    origin.contents.set('/external.onnx', { file: external.path, etag: '"model"' });
    origin.contents.set('/external.onnx.data', { file: `${external.path}.data`, etag: '"data"' });
    proxy.tamper = (_path, chunk) => chunk;
    proxy.paths.length = 0;
    proxy.ranges.length = 0;
    [origin.bodies, origin.confirmations] = [0, 0];
  });
  afterEach(async () => {
    await Promise.all([one.end(), two.end()]);
    for (const path of [one.store, two.store, disk]) rmSync(path, { recursive: true, force: true });
  });
  afterAll(async () => {
    await Promise.all([one.dispose(), two.dispose(), proxy.close(), origin.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  type Config = Record<string, string | number>;
  const start = (daemon: TestDaemon, port: number, peers: string, config: Config): Promise<void> =>
    daemon.start({
      urlSources: base,
      peerSecretPath: secretPath,
      peerListen: `127.0.0.1:${port}`,
      peers,
      ...config,
    });
  const startOne = (config: Config = {}): Promise<void> => start(one, onePort, `http://127.0.0.1:${twoPort}`, config);
  const startTwo = (config: Config = {}): Promise<void> => start(two, twoPort, proxyUrl, config);
  const lease = (daemon: TestDaemon, path = '/model.onnx', more: { instance?: string } = {}): Promise<Lease> =>
    daemon.client.lease({ source: { kind: 'url', url: `${base}${path}` }, ...more });
  const expectAnswers = async (
    daemon: TestDaemon,
    held: Lease,
    wanted: BuiltModel,
    level?: 'disabled',
  ): Promise<void> => {
    const feeds = wanted.inputs(2, 7);
    expect(await infer(daemon.viewPath(held.view), feeds, 'disabled')).toEqual(await infer(wanted.path, feeds, level));
  };
  /** Ends a lease, and forgets its model. */
  const forget = async (daemon: TestDaemon, held: Lease): Promise<void> => {
    held.release();
    await until(async () => (await daemon.operator.totals()).leases === 0, 'no lease is held');
    await daemon.operator.collect();
  };
  const expectSaid = async (daemon: TestDaemon, counts: Record<string, number>): Promise<void> => {
    expect(await daemon.logged(counts)).toEqual(counts);
  };
  const asked = (kind: string): string[] => proxy.paths.filter((path) => path.startsWith(`/v1/${kind}/`));

  it('ingests from what an unlike peer was given, and has nothing but a confirmation from the origin', async () => {
    await startOne();
    await startTwo(unlike);
    const first = await lease(one);
    expect(origin.bodies).toBe(1);
    const second = await lease(two);
    expect(second.modelKey).not.toBe(first.modelKey);
    expect([origin.bodies, origin.confirmations]).toEqual([1, 1]);
    await expectSaid(two, { 'original brought': 1, 'model ingested': 1, 'model restored': 0 });
    await expectAnswers(two, second, model);
    [first, second].forEach((held) => held.release());
  });

  it('has the model itself from a peer of its platform, and no bytes from the origin', async () => {
    await startOne();
    await startTwo();
    await lease(one);
    const held = await lease(two);
    expect([origin.bodies, origin.confirmations]).toEqual([1, 1]);
    await expectSaid(two, { 'model restored': 1, 'model ingested': 0, 'original brought': 0 });
    expect(asked('originals')).toEqual([]);
    await expectAnswers(two, held, model);
  });

  it('has the files of a model with external data each from a peer', async () => {
    await startOne();
    await startTwo(unlike);
    await lease(one, '/external.onnx');
    expect(origin.bodies).toBe(2);
    const held = await lease(two, '/external.onnx');
    expect([origin.bodies, origin.confirmations]).toEqual([2, 2]);
    await expectSaid(two, { 'original brought': 2, 'model ingested': 1 });
    await expectAnswers(two, held, external);
  });

  it('asks by time where the origin gives no tag', async () => {
    origin.contents.set('/model.onnx', { file: model.path, lastModified: 'Sun, 06 Nov 2022 08:49:37 GMT' });
    await startOne();
    await startTwo(unlike);
    await lease(one);
    await lease(two);
    expect([origin.bodies, origin.confirmations]).toEqual([1, 1]);
  });

  it('fetches what nobody can confirm: an answer with neither tag nor time', async () => {
    origin.contents.set('/model.onnx', { file: model.path });
    await startOne();
    await startTwo(unlike);
    await lease(one);
    await lease(two);
    expect([origin.bodies, origin.confirmations]).toEqual([2, 0]);
    await expectSaid(two, { 'original brought': 0, 'model ingested': 1 });
  });

  it('fetches what has changed at the origin, once for all who share a platform', async () => {
    await startOne({ urlMaxAgeMs: 0 });
    await startTwo();
    const before = await lease(one);
    origin.contents.set('/model.onnx', { file: changed.path, etag: '"two"' });
    const held = await lease(two);
    expect(held.modelKey).not.toBe(before.modelKey);
    await expectAnswers(two, held, changed);
    await expectSaid(two, { 'model ingested': 1, 'model restored': 0 });
    // Who knew the old one sees that it has changed, and finds the new one told.
    const after = await lease(one);
    expect(after.modelKey).toBe(held.modelKey);
    await expectSaid(one, { 'model ingested': 1, 'model restored': 1 });
  });

  it('expected failure: other bytes than a peer said are refuted, and the origin is asked', async () => {
    await startOne();
    await startTwo(unlike);
    await lease(one);
    proxy.tamper = (path, chunk) => {
      if (!path.startsWith(ORIGINALS)) return chunk;
      const spoilt = Buffer.from(chunk);
      spoilt[0] = (spoilt[0] ?? 0) ^ 1;
      return spoilt;
    };
    const held = await lease(two);
    expect(origin.bodies).toBe(2);
    await expectSaid(two, { 'original brought': 0, 'original not brought': 1, 'peer dropped': 1, 'model ingested': 1 });
    await expectAnswers(two, held, model);
  });

  it('goes on where a transfer of an original broke', async () => {
    await startOne();
    await startTwo(unlike);
    await lease(one);
    let cuts = 0;
    proxy.tamper = (path, chunk, offset) => {
      if (!path.startsWith(ORIGINALS) || offset < 100_000 || cuts > 0) return chunk;
      cuts++;
      return undefined;
    };
    await lease(two);
    expect([cuts, proxy.ranges.length, origin.bodies]).toEqual([1, 1, 1]);
    await expectSaid(two, { 'original brought': 1 });
  });

  it('expected failure: asks the origin when a peer dies in the middle', async () => {
    await startOne();
    await startTwo(unlike);
    await lease(one);
    proxy.tamper = (path, chunk, offset) => (path.startsWith(ORIGINALS) && offset > 100_000 ? undefined : chunk);
    const held = await lease(two);
    // It goes on some times, and gets a piece of it each time.
    expect(proxy.ranges.length).toBeGreaterThan(1);
    expect(origin.bodies).toBe(2);
    await expectSaid(two, { 'original brought': 0, 'model ingested': 1 });
    await expectAnswers(two, held, model);
    expect(two.files('scratch')).toEqual([]);
  });

  describe('a peer that says what is not so', () => {
    let server: Server;
    let word: Record<string, unknown>;
    let liar = '';

    beforeAll(async () => {
      server = createServer(({ url = '', headers }, answer) => {
        if (!url.startsWith('/v1/urls/')) return void answer.writeHead(404).end();
        const [, nonce = ''] = String(headers['tetris-signature']).split('.');
        const text = JSON.stringify(word);
        const signature = createHmac('sha256', SECRET).update(`answer\n${nonce}\n${text}`).digest('hex');
        answer.writeHead(200, { 'tetris-signature': signature }).end(text);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      liar = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterAll(() => void server.close());

    it('expected failure: about a digest: it is dropped, and what the URL holds is leased', async () => {
      word = { sha256: 'a'.repeat(64), bytes: 1_000, etag: ETAG, locations: [] };
      await startTwo({ peers: liar });
      const held = await lease(two);
      await expectSaid(two, { 'peer dropped': 1, 'model ingested': 1 });
      expect(two.said).toContain('does not hold');
      await expectAnswers(two, held, model);
      expect(origin.bodies).toBe(1);
    });

    it.each([
      ['that it does not name', 'model.onnx'],
      ['that is not there', 'nowhere.data'],
      ['outside', '../model.onnx'],
    ])('expected failure: about external data %s: the same', async (_what, location) => {
      const sha256 = createHash('sha256').update(readFileSync(model.path)).digest('hex');
      word = { sha256, bytes: model.bytes, etag: ETAG, locations: [location] };
      await startTwo({ peers: liar });
      const held = await lease(two);
      await expectSaid(two, { 'peer dropped': 1, 'model ingested': 1 });
      expect(two.said).toContain('does not name the external data');
      await expectAnswers(two, held, model);
    });

    it('bad call: with a header in its tag: it is no record', async () => {
      word = { sha256: 'a'.repeat(64), bytes: 1_000, etag: '"x"\r\nhost: elsewhere', locations: [] };
      await startTwo({ peers: liar });
      await lease(two);
      await expectSaid(two, { 'peer dropped': 1, 'model ingested': 1 });
      expect(two.said).toContain('no record of a URL');
    });
  });

  it('tells what a namespace has fetched to that namespace only, and asks nobody for what is one instance its own', async () => {
    const [guestOne, guestTwo, stranger] = ['instance-guest-one-0', 'instance-guest-two-0', 'instance-stranger-00'];
    await startOne({ sharing: 'namespace' });
    await startTwo({ sharing: 'namespace', ...unlike });
    await one.operator.registerInstance(guestOne, { namespace: 'guest' });
    await two.operator.registerInstance(guestTwo, { namespace: 'guest' });
    await two.operator.registerInstance(stranger, { namespace: 'other' });
    await lease(one, '/model.onnx', { instance: guestOne });
    await lease(two, '/model.onnx', { instance: stranger });
    expect([origin.bodies, origin.confirmations]).toEqual([2, 0]);
    await expectSaid(two, { 'original brought': 0 });
    const told = asked('urls');
    await lease(two, '/model.onnx', { instance: guestTwo });
    expect([origin.bodies, origin.confirmations]).toEqual([2, 1]);
    await expectSaid(two, { 'original brought': 1 });
    expect(asked('urls')).not.toEqual([...told, ...told]);
    await two.end();
    proxy.paths.length = 0;
    await startTwo({ sharing: 'off', ...unlike });
    await lease(two, '/model.onnx', { instance: stranger });
    expect([proxy.paths, origin.bodies]).toEqual([[], 3]);
  });

  it('does all this by certificates too', async () => {
    const tls = { peerSecretPath: '', ...nodeCertificate(folder) };
    await startOne({ ...tls, peers: '' });
    await startTwo({ ...tls, ...unlike, peers: `https://127.0.0.1:${onePort}` });
    await lease(one);
    const held = await lease(two);
    expect([origin.bodies, origin.confirmations]).toEqual([1, 1]);
    await expectSaid(two, { 'original brought': 1, 'model ingested': 1 });
    await expectAnswers(two, held, model);
  });

  it('bad call: whoever knows another secret learns of no URL and has no original', async () => {
    await startOne();
    await lease(one);
    const [name = ''] = one.files('uploads');
    for (const [method, path] of [
      ['GET', `/v1/originals/${name}`],
      ['HEAD', `/v1/originals/${name}`],
      ['GET', `/v1/urls/${'a'.repeat(64)}`],
    ] as const) {
      const reply = await fetch(`http://127.0.0.1:${onePort}${path}`, { method });
      expect([reply.status, await reply.text()]).toEqual([401, '']);
    }
  });

  it('bad call: a CPU of which nothing tells is refused at start', async () => {
    await expect(startOne({ cpuInfoPath: join(folder, 'nowhere') })).rejects.toThrow(/cpuInfoPath/);
  });

  describe('kept beside the disk tier', () => {
    const kept = { diskPath: disk, diskOriginalBytesMax: '64m', uploadTtlMs: 2_000 };
    const keptNames = (): string[] =>
      existsSync(join(disk, 'originals')) ? readdirSync(join(disk, 'originals')).filter((name) => name[0] !== '.') : [];
    const uploadGone = (): Promise<void> => until(() => one.files('uploads').length === 0, 'no upload is left');

    it('serves an original after its upload has gone', async () => {
      await startOne(kept);
      await startTwo(unlike);
      await lease(one);
      await uploadGone();
      await until(() => keptNames().length === 1, 'the original is kept');
      const before = origin.bodies;
      await lease(two);
      expect([origin.bodies, origin.confirmations]).toEqual([before, 1]);
      await expectSaid(two, { 'original brought': 1 });
    });

    it('ingests another form of a model without a download, also after a restart', async () => {
      await startOne({ ...kept, urlMaxAgeMs: 0 });
      await startTwo();
      const form = (graphOptimizationLevel: 'all' | 'basic' | 'disabled'): Promise<Lease> =>
        one.client.lease({ source: { kind: 'url', url: `${base}/model.onnx` }, graph: { graphOptimizationLevel } });
      await form('all');
      // So that somebody can tell a daemon that has forgotten.
      await lease(two);
      await uploadGone();
      await until(() => keptNames().length === 1, 'the original is kept');
      const before = origin.bodies;
      await form('basic');
      await uploadGone();
      await one.end();
      await startOne(kept);
      const held = await form('disabled');
      expect(origin.bodies).toBe(before);
      await expectSaid(one, { 'original brought': 1, 'model ingested': 1 });
      expect(one.said).toContain('"from":"disk"');
      await expectAnswers(one, held, model, 'disabled');
    });

    it('expected failure: a kept original that has rotted is forgotten, and the origin asked', async () => {
      await startOne({ ...kept, urlMaxAgeMs: 0 });
      const held = await lease(one);
      await uploadGone();
      await until(() => keptNames().length === 1, 'the original is kept');
      const [name = ''] = keptNames();
      rmSync(join(disk, 'originals', name));
      copyFileSync(changed.path, join(disk, 'originals', name));
      await forget(one, held);
      rmSync(join(disk, 'models'), { recursive: true, force: true });
      const before = origin.bodies;
      const again = await lease(one);
      expect(origin.bodies).toBe(before + 1);
      await expectSaid(one, { 'original not brought': 1 });
      await expectAnswers(one, again, model);
    });

    it('bad call: a budget for originals without a disk tier is refused at start', async () => {
      await expect(startOne({ diskOriginalBytesMax: '1g' })).rejects.toThrow(/diskPath/);
    });
  });
});
