import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltModel, buildModel, transformer } from '@tetris/bench';
import { FAULT_POINTS, type FaultPoint } from '@tetris/tensor-daemon';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { Holder } from '../support/holder';
import { storeFaults } from '../support/store-state';
import { until } from '../support/until';

const SOURCES = join(__dirname, '../../tensor-daemon/src');
const SMALL = { layers: 2, hidden: 128, heads: 4, sequence: 16 };
const LIVING = 'instance-living-0000';
const VICTIM = 'instance-victim-0000';

/** What brings the daemon to a fault point. `start`: its own recovery does. */
type Scenario = 'upload' | 'lease' | 'release' | 'register' | 'release instance' | 'collect' | 'start';

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
  'publish:linked': 'lease',
  'publish:pinned': 'lease',
  'publish:graph': 'lease',
  'model:pinned': 'lease',
  'model:manifest': 'lease',
  'model:replaced': 'lease',
  'model:renamed': 'lease',
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
  'recover:swept': 'start',
  'recover:catalog': 'start',
  'recover:views': 'start',
  'recover:orphans': 'start',
};

describe('tensor daemon: killed at every fault point', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  const config = { modelRoots: models };
  let other: BuiltModel;
  let living: Holder;
  let view: string;
  let answers: Record<string, number[]>;
  let baseline: string[];

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
  }, 60_000);
  afterAll(async () => {
    await living.end();
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const lease = () => daemon.client.lease({ source: fileSource(other.path), instance: VICTIM });

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
    collect: async () => {
      (await lease()).release();
      await until(async () => (await daemon.operator.leases()).length === 0, 10_000, 'the lease has ended');
      await daemon.operator.collect();
    },
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

  it.each(FAULT_POINTS)(
    'at %s: nothing torn, lost or left, and a living instance goes on',
    async (point) => {
      const scenario = SCENARIOS[point];
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
      expect(daemon.files('tensors')).toEqual(expect.arrayContaining(baseline));
      expect(daemon.files('views')).toContain(LIVING);
      expect(await living.run()).toEqual(answers);
      await daemon.operator.registerInstance(LIVING, { namespace: 'guest' });
      expect(await living.lease()).toEqual({ view, warm: true });

      const again = await lease();
      again.release();
      await daemon.operator.releaseInstance(VICTIM);
      await until(async () => (await daemon.operator.leases()).length === 1, 10_000, 'one lease is left');
      await daemon.operator.collect();
      await until(() => storeFaults(daemon.store).length === 0, 10_000, 'the store is in order');
      expect(daemon.files('tensors').sort()).toEqual(baseline);
      expect(new Set(daemon.links().values())).toEqual(new Set([2]));
      expect(daemon.files('views')).toEqual([LIVING]);
      expect(daemon.files('instances')).toEqual([`${LIVING}.json`]);
      await daemon.end();
      // A daemon that is stopped in order leaves to the next one what living instances hold.
      expect(existsSync(join(daemon.store, 'views', view))).toBe(true);
    },
    60_000,
  );
});
