import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { type BuiltModel, buildModel, freePort, perceptron } from '@tetris/bench';
import { startRedis } from '@tetris/bench/servers';
import { createLogger, type Lease } from '@tetris/common';
import { RedisRegistry } from '@tetris/common/redis';
import { PeerDirectory } from '@tetris/invoker-extension';
import { nodeCertificate } from '../support/certificates';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { infer } from '../support/infer';
import { invokerStatus } from '../support/registry-contract';
import { TamperingProxy } from '../support/tampering-proxy';
import { until } from '../support/until';

const SECRET = 'a secret of some length';

describe('tensor daemon: peers', () => {
  const folder = tmpfsFolder('tetris-peers-test-');
  const [one, two] = [new TestDaemon(), new TestDaemon()];
  const secretPath = join(folder, 'secret');
  const otherSecretPath = join(folder, 'other-secret');
  let port = 0;
  const proxy = new TamperingProxy(() => port);
  let proxyUrl = '';
  let model: BuiltModel;

  beforeAll(async () => {
    writeFileSync(secretPath, `${SECRET}\n`);
    writeFileSync(otherSecretPath, 'another secret, as long');
    // Some 2.3 MB, about twice that in the store.
    model = await buildModel(perceptron('peered', { hidden: 720 }), folder);
    port = await freePort();
    proxyUrl = await proxy.open();
    await one.start({ modelRoots: folder, peerListen: `127.0.0.1:${port}`, peerSecretPath: secretPath });
    await lease(one).then((held) => held.release());
  });
  beforeEach(() => {
    proxy.tamper = (_path, chunk) => chunk;
    proxy.paths.length = 0;
    proxy.ranges.length = 0;
  });
  afterEach(async () => {
    await two.end();
    rmSync(two.store, { recursive: true, force: true });
  });
  afterAll(async () => {
    await Promise.all([one.dispose(), two.dispose(), proxy.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const lease = (daemon: TestDaemon, wanted = model): Promise<Lease> =>
    daemon.client.lease({ source: fileSource(wanted.path), name: wanted.name });
  const startTwo = (peers: string, config: Record<string, string | number> = {}): Promise<void> =>
    two.start({ modelRoots: folder, peers, peerSecretPath: secretPath, ...config });
  const expectSaid = async (counts: Record<string, number>): Promise<void> => {
    expect(await two.logged(counts)).toEqual(counts);
  };
  const metric = async (name: string): Promise<number> => {
    const text = await new Promise<string>((resolve, reject) => {
      get({ socketPath: join(two.folder, 'operator.sock'), path: '/metrics' }, (reply) => {
        let all = '';
        reply.on('data', (chunk) => (all += String(chunk))).on('end', () => resolve(all));
      }).on('error', reject);
    });
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.split(' ')[1] ?? 0);
  };

  it('has a model from a peer without an ingest, with the same answers', async () => {
    await startTwo(`http://127.0.0.1:${port}`);
    const held = await lease(two);
    await expectSaid({ 'model ingested': 0, 'model restored': 1 });
    const feeds = model.inputs(2, 7);
    const actual = await infer(two.viewPath(held.view), feeds, 'disabled');
    expect(actual).toEqual(await infer(model.path, feeds));
    held.release();
  });

  it('fetches only the tensors that it lacks', async () => {
    await startTwo(proxyUrl);
    const cousin = await buildModel(perceptron('cousin', { hidden: 720, labels: 20 }), folder);
    // Only the first two layers are the same, and the peer does not know the cousin.
    (await lease(two, cousin)).release();
    proxy.paths.length = 0;
    const held = await lease(two);
    const fetched = proxy.paths.filter((path) => path.startsWith('/v1/tensors/'));
    await expectSaid({ 'model restored': 1 });
    expect(fetched.length).toBeGreaterThan(0);
    expect(fetched.length).toBeLessThan(held.tensors);
  });

  it('expected failure: a peer that sends other bytes is dropped and counted, and the model ingested', async () => {
    await startTwo(proxyUrl);
    proxy.tamper = (path, chunk) => {
      if (!path.startsWith('/v1/tensors/')) return chunk;
      const spoilt = Buffer.from(chunk);
      spoilt[0] = (spoilt[0] ?? 0) ^ 1;
      return spoilt;
    };
    const held = await lease(two);
    await expectSaid({ 'model ingested': 1, 'model restored': 0 });
    expect(await metric('tetris_daemon_peer_failures_total{reason="refuted"}')).toBeGreaterThanOrEqual(1);
    expect(two.files('tensors').sort()).toEqual(one.files('tensors').sort());
    held.release();
    await until(async () => (await two.operator.totals()).leases === 0);
    await two.operator.collect();
    proxy.paths.length = 0;
    (await lease(two)).release();
    expect(proxy.paths).toEqual([]);
  });

  it('expected failure: a manifest that somebody has changed under way is not believed', async () => {
    await startTwo(proxyUrl);
    proxy.tamper = (path, chunk) => {
      if (!path.startsWith('/v1/models/')) return chunk;
      return Buffer.from(chunk.toString('latin1').replace('"peered"', '"peeree"'), 'latin1');
    };
    (await lease(two)).release();
    await expectSaid({ 'model ingested': 1, 'model restored': 0 });
    expect(await metric('tetris_daemon_peer_failures_total{reason="refuted"}')).toBe(1);
  });

  it('goes on where a transfer broke', async () => {
    await startTwo(proxyUrl);
    const cut = new Set<string>();
    proxy.tamper = (path, chunk, offset) => {
      if (!path.startsWith('/v1/tensors/') || offset < 100_000 || cut.has(path)) return chunk;
      cut.add(path);
      return undefined;
    };
    (await lease(two)).release();
    await expectSaid({ 'model ingested': 0, 'model restored': 1 });
    expect(cut.size).toBeGreaterThan(0);
    expect(proxy.ranges.length).toBeGreaterThan(0);
    expect(two.files('tensors').sort()).toEqual(one.files('tensors').sort());
  });

  it('asks the next peer for the rest when one dies in the middle', async () => {
    await startTwo(`${proxyUrl},http://127.0.0.1:${port}`, { peerParallelism: 1 });
    let dead = false;
    proxy.tamper = (path, chunk, offset) => {
      dead ||= path.startsWith('/v1/tensors/') && offset > 100_000;
      return dead ? undefined : chunk;
    };
    (await lease(two)).release();
    await expectSaid({ 'model ingested': 0, 'model restored': 1 });
    expect(readdirSync(join(two.store, 'scratch'))).toEqual([]);
  });

  it('expected failure: a peer that is not there costs a try, then the model is ingested', async () => {
    await startTwo(`http://127.0.0.1:${await freePort()}`);
    (await lease(two)).release();
    await expectSaid({ 'model ingested': 1, 'model restored': 0 });
    expect(await metric('tetris_daemon_peer_failures_total{reason="silent"}')).toBe(1);
  });

  it('bad call: whoever knows another secret gets nothing', async () => {
    await startTwo(`http://127.0.0.1:${port}`, { peerSecretPath: otherSecretPath });
    (await lease(two)).release();
    await expectSaid({ 'model ingested': 1, 'model restored': 0 });
    for (const path of ['/v1/models/', '/v1/tensors/', '/v1/graphs/']) {
      const reply = await fetch(`http://127.0.0.1:${port}${path}${'a'.repeat(64)}`);
      expect(reply.status).toBe(401);
      expect(await reply.text()).toBe('');
    }
  });

  it('keeps to the bandwidth that it is given', async () => {
    const bytesPerSecond = 2 * 1024 ** 2;
    await startTwo(`http://127.0.0.1:${port}`, { peerBytesPerSecondMax: bytesPerSecond });
    const startMs = performance.now();
    const held = await lease(two);
    const seconds = (performance.now() - startMs) / 1000;
    await expectSaid({ 'model restored': 1 });
    expect(held.tensorBytes / seconds).toBeLessThan(bytesPerSecond * 1.1);
    held.release();
  });

  it('speaks mutual TLS, and not to strangers', async () => {
    const tls = { peerSecretPath: '', ...nodeCertificate(folder) };
    const securePort = await freePort();
    const server = new TestDaemon();
    try {
      await server.start({ modelRoots: folder, peerListen: `127.0.0.1:${securePort}`, ...tls });
      (await lease(server)).release();
      await startTwo(`https://127.0.0.1:${securePort}`, tls);
      (await lease(two)).release();
      await expectSaid({ 'model ingested': 0, 'model restored': 1 });
      await expect(fetch(`https://127.0.0.1:${securePort}/v1/models/${'a'.repeat(64)}`)).rejects.toThrow();
      expect(() =>
        execFileSync(
          'curl',
          ['-sS', '--cacert', join(folder, 'ca.pem'), `https://127.0.0.1:${securePort}/v1/models/x`],
          {
            stdio: 'pipe',
          },
        ),
      ).toThrow();
    } finally {
      await server.dispose();
    }
  });

  it('finds a peer through the registry, forgets it with its node, and needs no registry itself', async () => {
    const redis = await startRedis();
    const log = createLogger('test', 'silent');
    const [there, here] = [new RedisRegistry({ url: redis.url }, log), new RedisRegistry({ url: redis.url }, log)];
    const directory = new PeerDirectory({
      daemon: two.operator,
      registry: here,
      node: 'node-2',
      log,
      nowMs: Date.now,
      intervalMs: 200,
    });
    try {
      await startTwo('');
      await there.publishStatus(invokerStatus(1, { peer: `http://127.0.0.1:${port}` }));
      await directory.start();
      await directory.tell();
      const held = await lease(two);
      await expectSaid({ 'model ingested': 0, 'model restored': 1 });
      held.release();
      await until(async () => (await two.operator.totals()).leases === 0);
      await two.operator.collect();
      // Its node has said nothing for three rounds.
      await new Promise((resolve) => setTimeout(resolve, 700));
      await directory.tell();
      (await lease(two)).release();
      await expectSaid({ 'model ingested': 1, 'model restored': 1 });
    } finally {
      directory.stop();
      await Promise.all([there.close(), here.close()]);
      await redis.stop();
    }
  });

  it('bad call: peers that are no URLs, or that nothing is there to know by, are not taken', async () => {
    await startTwo('');
    await expect(two.operator.setPeers(['https://127.0.0.1:1'])).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
    await expect(two.operator.setPeers(['peer'])).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
    await two.end();
    await two.start({ modelRoots: folder });
    await expect(two.operator.setPeers(['http://127.0.0.1:1'])).rejects.toThrow(/peerSecretPath/);
  });

  it('has the tensors of a namespace from a peer, in its scope only, and never those of one instance', async () => {
    const [instanceOne, instanceTwo, stranger] = ['instance-one-00000', 'instance-two-00000', 'instance-other-0000'];
    const lease = (daemon: TestDaemon, instance: string): Promise<Lease> =>
      daemon.client.lease({ source: fileSource(model.path), name: model.name, instance });
    const server = new TestDaemon();
    const serverPort = await freePort();
    try {
      await server.start({
        modelRoots: folder,
        peerListen: `127.0.0.1:${serverPort}`,
        peerSecretPath: secretPath,
        sharing: 'namespace',
      });
      await server.operator.registerInstance(instanceOne, { namespace: 'guest' });
      const first = await lease(server, instanceOne);
      await startTwo(`http://127.0.0.1:${serverPort}`, { sharing: 'namespace' });
      await two.operator.registerInstance(instanceTwo, { namespace: 'guest' });
      const second = await lease(two, instanceTwo);
      await expectSaid({ 'model ingested': 0, 'model restored': 1 });
      expect(second.modelKey).toBe(first.modelKey);
      await two.operator.registerInstance(stranger, { namespace: 'other' });
      (await lease(two, stranger)).release();
      await expectSaid({ 'model ingested': 1, 'model restored': 1 });
      await two.end();
      await two.start({
        modelRoots: folder,
        peers: proxyUrl,
        peerSecretPath: secretPath,
        sharing: 'off',
      });
      (await lease(two, stranger)).release();
      expect(proxy.paths).toEqual([]);
      [first, second].forEach((held) => held.release());
    } finally {
      await server.dispose();
    }
  });

  it('bad call: peers without a secret or certificates are refused at start', async () => {
    await expect(startTwo('http://127.0.0.1:1', { peerSecretPath: '' })).rejects.toThrow(/peerSecretPath/);
  });
});
