import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltModel, buildModel, freePort, transformer } from '@tetris/bench';
import { FAULT_POINTS, type FaultPoint } from '@tetris/tensor-daemon';
import { fileSource, otherCpu, TestDaemon, tmpfsFolder } from '../support/daemon';
import { Holder } from '../support/holder';
import { originalFaults, storeFaults } from '../support/store-state';
import { until } from '../support/until';
import { UrlOrigin } from '../support/url-origin';

const SOURCES = join(__dirname, '../../tensor-daemon/src');
const SMALL = { layers: 2, hidden: 128, heads: 4, sequence: 16 };
const LIVING = 'instance-living-0000';
const VICTIM = 'instance-victim-0000';

/** What brings the daemon to a fault point. `start`: its own recovery does. `restore`: from the disk tier. */
type Scenario =
  | 'upload'
  | 'lease'
  | 'release'
  | 'register'
  | 'release instance'
  | 'collect'
  | 'demote'
  | 'restore'
  | 'restore from a peer'
  | 'keep an original'
  | 'original from a peer'
  | 'start';

/** Every fault point of the code: a new one fails to compile, and fails below, until it is here. */
const SCENARIOS: Record<FaultPoint, Scenario> = {
  'upload:begun': 'upload',
  'upload:written': 'upload',
  'upload:kept': 'upload',
  'ingest:begun': 'lease',
  'ingest:staged': 'lease',
  'ingest:optimized': 'lease',
  'ingest:cut': 'lease',
  'publish:written': 'lease',
  'publish:staged': 'lease',
  'publish:graph': 'lease',
  'commit:manifest': 'lease',
  'commit:linked': 'lease',
  'commit:renamed': 'lease',
  'lease:bound': 'lease',
  'lease:made': 'lease',
  'view:begun': 'lease',
  'view:linked': 'lease',
  'view:graph': 'lease',
  'view:renamed': 'lease',
  'view:hidden': 'release',
  'view:emptied': 'release',
  'view:removed': 'release',
  'instance:written': 'register',
  'instance:registered': 'register',
  'instance:folder': 'register',
  'instance:unregistered': 'release instance',
  'instance:released': 'release instance',
  'instance:removed': 'release instance',
  'reclaim:model': 'collect',
  'reclaim:tensor': 'collect',
  'trash:renamed': 'collect',
  'demote:begun': 'demote',
  'demote:held': 'demote',
  'demote:tensor': 'demote',
  'demote:graph': 'demote',
  'restore:begun': 'restore',
  'restore:held': 'restore',
  'fetch:opened': 'restore',
  'fetch:written': 'restore',
  'restore:placed': 'restore',
  'restore:complete': 'restore',
  'original:written': 'keep an original',
  'original:kept': 'keep an original',
  'original:brought': 'original from a peer',
  'recover:swept': 'start',
  'recover:catalog': 'start',
  'recover:views': 'start',
  'recover:orphans': 'start',
};

/** Points that are passed in more than one way. The disk tier publishes after memory has, hence the second time. */
const OTHER_WAYS: [string, Scenario][] = [
  ...(['commit:manifest', 'commit:linked', 'commit:renamed'] as const).flatMap((point): [string, Scenario][] => [
    [`${point}@2`, 'demote'],
    [point, 'restore'],
  ]),
  ...(['restore:held', 'fetch:opened', 'fetch:written', 'restore:placed', 'restore:complete'] as const).map(
    (point): [string, Scenario] => [point, 'restore from a peer'],
  ),
  ...(['fetch:opened', 'fetch:written', 'upload:written', 'upload:kept'] as const).map((point): [string, Scenario] => [
    point,
    'original from a peer',
  ]),
  ['demote:tensor@2', 'demote'],
  ['restore:placed@2', 'restore'],
];

describe('tensor daemon: killed at every fault point', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  const peer = new TestDaemon();
  /** A peer of another platform: nothing of it is of use but what its models were made of. */
  const unlike = new TestDaemon();
  const origin = new UrlOrigin();
  let url: string;
  const diskFolder = mkdtempSync('/var/tmp/tetris-disk-test-');
  const disk = join(diskFolder, 'disk');
  const secretPath = join(models, 'secret');
  let config: Record<string, string> = { modelRoots: models };
  let other: BuiltModel;
  let living: Holder;
  let view: string;
  let answers: Record<string, number[]>;
  let baseline: string[];
  let configs: Partial<Record<Scenario, Record<string, string>>>;

  beforeAll(async () => {
    const model = await buildModel(transformer('living', SMALL), models);
    other = await buildModel(transformer('other', { ...SMALL, headSeed: 2 }), models);
    await daemon.start(config);
    await daemon.operator.registerInstance(LIVING, { namespace: 'guest' });
    const request = { source: fileSource(model.path), instance: LIVING };
    living = new Holder(daemon, request, model.inputs(1, 1));
    ({ view } = await living.lease());
    answers = await living.run();
    baseline = daemon.files('tensors').sort();
    await daemon.end();
    writeFileSync(secretPath, 'a secret of some length');
    const peerPort = await freePort();
    await peer.start({ modelRoots: models, peerListen: `127.0.0.1:${peerPort}`, peerSecretPath: secretPath });
    const held = await peer.client.lease({ source: fileSource(other.path) });
    held.release();
    const base = await origin.open();
    url = `${base}/other.onnx`;
    origin.contents.set('/other.onnx', { file: other.path, etag: '"one"' });
    const unlikePort = await freePort();
    await unlike.start({
      urlSources: base,
      peerListen: `127.0.0.1:${unlikePort}`,
      peerSecretPath: secretPath,
      uploadTtlMs: 3_600_000,
      cpuInfoPath: otherCpu(models),
    });
    (await unlike.client.lease({ source: { kind: 'url', url } })).release();
    configs = {
      'keep an original': { urlSources: base, diskPath: disk, diskOriginalBytesMax: '1g' },
      'original from a peer': {
        urlSources: base,
        peers: `http://127.0.0.1:${unlikePort}`,
        peerSecretPath: secretPath,
      },
      demote: { diskPath: disk },
      restore: { diskPath: disk, diskVerify: 'sha256' },
      'restore from a peer': { peers: `http://127.0.0.1:${peerPort}`, peerSecretPath: secretPath },
    };
  });
  afterEach(async () => {
    await daemon.end('SIGKILL');
    rmSync(disk, { recursive: true, force: true });
  });
  afterAll(async () => {
    await living.end();
    await Promise.all([daemon.dispose(), peer.dispose(), unlike.dispose(), origin.close()]);
    for (const folder of [models, diskFolder]) rmSync(folder, { recursive: true, force: true });
  });

  const lease = () => daemon.client.lease({ source: fileSource(other.path), instance: VICTIM });

  const leaseUrl = () => daemon.client.lease({ source: { kind: 'url', url }, instance: VICTIM });

  const collect = async (): Promise<void> => {
    (await lease()).release();
    await until(async () => (await daemon.operator.leases()).length === 0, 'the lease has ended');
    await daemon.operator.collect();
  };

  /** Every scenario on the way to its point: the daemon may die at any call. */
  const carryOut: Record<Exclude<Scenario, 'start'>, () => Promise<unknown>> = {
    upload: () => daemon.client.upload(readFileSync(other.path)),
    lease,
    release: async () => (await lease()).release(),
    register: () => daemon.operator.registerInstance(VICTIM, { namespace: 'guest' }),
    'release instance': async () => {
      await daemon.operator.registerInstance(VICTIM, { namespace: 'guest' });
      await lease();
      await daemon.operator.releaseInstance(VICTIM);
    },
    collect,
    demote: collect,
    restore: lease,
    'restore from a peer': lease,
    'keep an original': leaseUrl,
    'original from a peer': leaseUrl,
  };

  it('has a scenario for each fault point of the code, and no other', () => {
    const named = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => [...readFileSync(join(SOURCES, name), 'utf8').matchAll(/faultPoint\('([^']+)'\)/g)])
      .map(([, point]) => point);
    expect(named.length).toBeGreaterThan(0);
    expect([...new Set(named)].sort()).toEqual([...FAULT_POINTS].sort());
    expect(Object.keys(SCENARIOS).sort()).toEqual([...FAULT_POINTS].sort());
  });

  const cases = [...FAULT_POINTS.map((point): [string, Scenario] => [point, SCENARIOS[point]]), ...OTHER_WAYS];
  it.each(cases)('at %s, in %s: nothing torn, lost or left, and a living instance goes on', async (point, scenario) => {
    config = { modelRoots: models, ...configs[scenario] };
    if (scenario === 'restore') {
      await daemon.start(config);
      await collect();
      await daemon.end();
    }
    const start = daemon.start({ ...config, faultPoint: point });
    if (scenario === 'start') {
      await expect(start).rejects.toThrow(/ended with SIGKILL/);
    } else {
      await start;
      // Whatever the call makes of it: the daemon is gone before it can answer, or just after.
      await carryOut[scenario]().catch(() => undefined);
    }
    expect(await daemon.ended()).toBe('SIGKILL');

    await daemon.start(config);
    expect(storeFaults(daemon.store)).toEqual([]);
    if (existsSync(disk)) expect([...storeFaults(disk), ...originalFaults(disk)]).toEqual([]);
    expect(daemon.files('tensors')).toEqual(expect.arrayContaining(baseline));
    expect(daemon.files('views')).toContain(LIVING);
    expect(await living.run()).toEqual(answers);
    await daemon.operator.registerInstance(LIVING, { namespace: 'guest' });
    expect(await living.lease()).toEqual({ view, warm: true });

    const again = await lease();
    again.release();
    await daemon.operator.releaseInstance(VICTIM);
    await until(async () => (await daemon.operator.leases()).length === 1, 'one lease is left');
    await daemon.operator.collect();
    await until(() => storeFaults(daemon.store).length === 0, 'the store is in order');
    expect(daemon.files('tensors').sort()).toEqual(baseline);
    expect(new Set(daemon.links().values())).toEqual(new Set([2]));
    expect(daemon.files('views')).toEqual([LIVING]);
    expect(daemon.files('instances')).toEqual([`${LIVING}.json`]);
    if (existsSync(disk)) {
      expect(storeFaults(disk)).toEqual([]);
      expect(readdirSync(join(disk, 'models'))).toHaveLength(1);
    }
    await daemon.end();
    // A daemon that is stopped in order leaves to the next one what living instances hold.
    expect(existsSync(join(daemon.store, 'views', view))).toBe(true);
  });
});
