/**
 * Profile once, and the platform uses it: `tetris-profile` keeps what it measures in an entity store, and invokers on
 * that store plan with it. Each instance is asked what it was told: the longest wait for batch mates follows from the
 * execution time that the plan believes in, to the millisecond.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BuiltModel, buildModel, freePort, perceptron, transformer } from '@tetris/bench';
import { type ModelProfile, plannedRows } from '@tetris/invoker-extension';
import { settingsOfRow } from '@tetris/invoker-extension/dist/scaling/settings';
import { startPlatform } from '@tetris/standalone';
import { Cluster } from '../support/cluster/cluster';
import { TestDaemon } from '../support/daemon';
import { InitRecorder, type ToldSettings } from '../support/init-recorder';
import { clientOf, INFER_CODE, plainFeeds } from '../support/platform';
import { until } from '../support/until';

jest.setTimeout(240_000);

const MAIN = require.resolve('@tetris/profiler/dist/main.js');
const SLO_MS = 2_000;
const BATCH = 4;

/** Few configurations, and none that an invoker would start with by itself. */
const SWEEP = ['--batches', String(BATCH), '--workers', '1', '--threads', '1', '--cpus', '1', '--rounds', '5'];

/** Instances leave soon, so that each invocation after a pause starts one as it is planned then. */
const SETTINGS = {
  TETRIS_INVOKER_KEEP_ALIVE_MS: '1500',
  TETRIS_INVOKER_PLAN_MS: '100',
  TETRIS_INVOKER_TICK_MS: '50',
  TETRIS_INVOKER_SHAPE_WORKERS_MAX: '1',
  TETRIS_INVOKER_SHAPE_BATCH_MAX: String(BATCH),
};

const DEFAULT = { workers: 1, threads: 1, batch: 1 };

let folder: string;
let known: BuiltModel;
let stranger: BuiltModel;
const folders: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'profile-use-'));
  known = await buildModel(transformer('known', { layers: 2, hidden: 128, heads: 4, sequence: 16 }), folder);
  stranger = await buildModel(perceptron('stranger', { inputs: 64, labels: 8 }), folder);
});
afterAll(() => {
  for (const each of [folder, ...folders]) rmSync(each, { recursive: true, force: true });
});

/** Runs the command, and reads the rows that it has found. */
async function profile(model: string, ...flags: string[]): Promise<ModelProfile> {
  const json = join(folder, 'profile.json');
  await promisify(execFile)(process.execPath, [MAIN, model, ...SWEEP, '--json', json, ...flags], { timeout: 150_000 });
  return JSON.parse(readFileSync(json, 'utf8')) as ModelProfile;
}

/** What an instance is told where the plan takes its figures from these rows. */
function expected(entries: ModelProfile['entries']): ToldSettings {
  const [row] = plannedRows(entries);
  if (row === undefined) throw new Error('the profile has no row');
  const { workers, threads, batch, batchWaitMs } = settingsOfRow(row, SLO_MS, Infinity);
  return { workers, threads, batch, batchWaitMs };
}

type Annotations = Readonly<Record<string, string | number>>;
const OBJECTIVE: Annotations = { 'tetris-slo': SLO_MS };

/** A running platform, as a user and an operator see it. */
interface Subject {
  recorder: InitRecorder;
  create: (name: string, annotations: Annotations) => Promise<void>;
  invoke: (name: string, model: string, built: BuiltModel) => Promise<void>;
  metrics: () => Promise<string>;
}

const lookups = async ({ metrics }: Subject, outcome: string): Promise<number> => {
  const sample = new RegExp(`^tetris_invoker_profiles_total\\{.*outcome="${outcome}"\\} (\\d+)$`, 'm');
  return Number(sample.exec(await metrics())?.[1] ?? 0);
};

const looked = async (subject: Subject): Promise<number> =>
  (await lookups(subject, 'found')) + (await lookups(subject, 'absent'));

/** Invokes an action until a profile of what it loads was looked for, and then in another instance. */
async function invokedTwice(
  subject: Subject,
  name: string,
  model: string,
  { built = known, annotations = OBJECTIVE } = {},
): Promise<ToldSettings[]> {
  await subject.create(name, annotations);
  const before = await looked(subject);
  await subject.invoke(name, model, built);
  await until(async () => (await looked(subject)) > before, 'a profile was looked for');
  await idle(subject);
  await subject.invoke(name, model, built);
  return subject.recorder.told(name);
}

const idle = ({ metrics }: Subject): Promise<void> =>
  until(async () => !/^tetris_invoker_instances\{.*\} [1-9]/m.test(await metrics()), 'no instance lives');

/** What both kinds of platform promise. */
async function plansWithTheProfile(subject: Subject, model: string, entries: ModelProfile['entries']): Promise<void> {
  const [first, second] = await invokedTwice(subject, 'profiled', model);
  expect(first).toMatchObject(DEFAULT);
  expect(second).toMatchObject({ ...expected(entries), batch: BATCH });
  expect(await lookups(subject, 'found')).toBe(1);
}

async function learns(subject: Subject): Promise<void> {
  const found = await lookups(subject, 'found');
  const told = await invokedTwice(subject, 'learned', stranger.path, { built: stranger });
  expect(told).toMatchObject([DEFAULT, DEFAULT]);
  expect(await lookups(subject, 'absent')).toBeGreaterThan(0);
  const isPlanned = async (): Promise<boolean> => {
    // As many as it takes until figures are believed; an instance's first answer has the loading in it.
    for (let run = 0; run < 25; run += 1) await subject.invoke('learned', stranger.path, stranger);
    await idle(subject);
    await subject.invoke('learned', stranger.path, stranger);
    return subject.recorder.told('learned').at(-1)?.batch === BATCH;
  };
  await until(isPlanned, 'an instance is planned from what was seen');
  expect(await lookups(subject, 'found')).toBe(found);
}

const workFolder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'pu-'));
  folders.push(made);
  return made;
};

describe('npm start', () => {
  async function withPlatform(
    options: { dataPath?: string; settings?: Record<string, string> },
    work: (subject: Subject) => Promise<void>,
  ): Promise<void> {
    const recorder = new InitRecorder(workFolder());
    const platform = await startPlatform({
      ...options,
      modelRoots: [folder],
      settings: { ...SETTINGS, TETRIS_INVOKER_RUNTIME_COMMAND: recorder.command, ...options.settings },
    });
    const client = clientOf(platform);
    try {
      await work({
        recorder,
        create: async (name, annotations) => {
          await client.actions.update({ name, action: INFER_CODE, kind: 'nodejs:tetris', annotations });
        },
        invoke: async (name, model, built) => {
          const params = { model, feeds: plainFeeds(built.inputs(1, 1)) };
          await client.actions.invoke({ name, params, blocking: true });
        },
        metrics: async () => (await fetch(`${platform.url}/metrics`)).text(),
      });
    } finally {
      await platform.stop();
    }
  }

  it('plans with a profile in its data folder, of the model as it came and of its int8 form, and learns what has none', async () => {
    const data = join(folder, 'data');
    const small = join(folder, 'small.onnx');
    const { entries, conversions } = await profile(known.path, '--data', data, '--int8', small);
    await withPlatform({ dataPath: data }, async (subject) => {
      await plansWithTheProfile(subject, known.path, entries);

      const ofInt8 = entries.filter(({ point }) => point.variant === 'int8');
      const optimized = ofInt8.map((entry) => ({ ...entry, point: { ...entry.point, variant: 'optimized' as const } }));
      const [, second] = await invokedTwice(subject, 'small', small);
      expect(conversions.int8?.file?.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(second).toMatchObject(expected(optimized));
      expect(await lookups(subject, 'found')).toBe(2);
      await learns(subject);
    });
  });

  it('plans with a profile in a folder that several platforms may share', async () => {
    const archive = join(folder, 'archive');
    const { entries } = await profile(known.path, '--archive', archive, '--variants', 'optimized');
    await withPlatform({ settings: { TETRIS_STANDALONE_PROFILE_PATH: archive } }, (subject) =>
      plansWithTheProfile(subject, known.path, entries),
    );
  });

  it('plans with the profile that the action names, whatever it loads', async () => {
    const data = join(folder, 'named');
    const { sha256, bytes, entries } = await profile(known.path, '--data', data, '--variants', 'optimized');
    await withPlatform({ dataPath: data }, async (subject) => {
      const annotations = { ...OBJECTIVE, 'tetris-profile': `${sha256}-${bytes}` };
      // The model that it loads has no profile.
      const [, second] = await invokedTwice(subject, 'named', stranger.path, { built: stranger, annotations });
      expect(second).toMatchObject(expected(entries));
    });
  });
});

describe('a cluster', () => {
  it('plans with a profile that --store-url has put into its CouchDB, and learns what has none', async () => {
    const daemon = new TestDaemon();
    const recorder = new InitRecorder(workFolder());
    const httpPort = await freePort();
    await daemon.start({ modelRoots: folder });
    const { TETRIS_DAEMON_SOCKET_PATH: socket = '', TETRIS_DAEMON_OPERATOR_SOCKET_PATH: operator = '' } =
      daemon.environment();
    const starting = Cluster.start({
      invokers: 1,
      invokerEnv: {
        ...SETTINGS,
        TETRIS_INVOKER_RUNTIME_COMMAND: recorder.command,
        TETRIS_INVOKER_DAEMON_SOCKET_PATH: socket,
        TETRIS_INVOKER_DAEMON_OPERATOR_SOCKET_PATH: operator,
        TETRIS_INVOKER_MODEL_ROOTS: folder,
        TETRIS_INVOKER_HTTP_PORT: String(httpPort),
      },
    });
    try {
      const cluster = await starting;
      const { entries } = await profile(known.path, '--store-url', cluster.couch.url, '--variants', 'optimized');
      const again = await profile(known.path, '--store-url', cluster.couch.url, '--variants', 'optimized');
      expect(again.entries).toEqual(entries);
      const created = new Map<string, Awaited<ReturnType<Cluster['putAction']>>>();
      const subject: Subject = {
        recorder,
        create: async (name, wanted) => {
          const annotations = Object.entries(wanted).map(([key, value]) => ({ key, value }));
          const exec = { kind: 'nodejs:tetris', code: INFER_CODE, binary: false };
          const limits = { timeout: 60_000, memory: 256, logs: 0, concurrency: 1 };
          created.set(name, await cluster.putAction({ name, exec, limits, annotations }));
        },
        invoke: async (name, model, built) => {
          const action = created.get(name);
          if (action === undefined) throw new Error(`there is no ${name}`);
          const outcome = await cluster.call(action, { model, feeds: plainFeeds(built.inputs(1, 1)) });
          expect(outcome).toMatchObject({ statusCode: 0 });
        },
        metrics: async () => (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text(),
      };
      await plansWithTheProfile(subject, known.path, entries);
      await learns(subject);
      // The node's daemon tells its metrics through the invoker extension.
      expect(await subject.metrics()).toMatch(/^tetris_daemon_store_bytes [1-9]/m);
    } finally {
      // One that did not start has cleaned up after itself.
      await (await starting.catch(() => undefined))?.stop();
      await daemon.dispose();
    }
  });
});
