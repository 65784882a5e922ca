/**
 * `npm run profile -- model.onnx --slo 300`: what every configuration of a model costs on this machine, in real
 * instances over a tensor daemon of its own.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, realpath, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { START_ARGUMENTS } from '@tetris/action-runtime';
import {
  checkOutputs,
  errorMessage,
  outliveReaders,
  PluginError,
  readConfig,
  removeFolder,
  temporaryFolder,
} from '@tetris/common';
import { type ContainerFactory, pointName, ProcessFactory, ProfileArchive } from '@tetris/invoker-extension';
import { type Platform, startPlatform } from '@tetris/standalone';
import { SingleBar } from 'cli-progress';
import { environment, PROFILE_CONFIG } from './config';
import { alphaOf, command, type Flags, inputsOf, one, spaceOf } from './flags';
import type { ProfileSite } from './instance';
import { checkReadable, type OpenArchive, openArchive } from './open-archive';
import { htmlPage } from './page';
import { checkNames, prepareModel } from './prepare';
import { profileModel } from './profile-model';
import { terminalReport } from './report';

/** Shells report a program that Ctrl-C ended so. */
const EXIT_INTERRUPTED = 130;

/** Often, because what an instance has between two looks is not held to its limit. */
const MEMORY_WATCH_MS = 25;

/** Limits processes to that many cores with `taskset`, where the system has it. */
function pinned(count: number): string[] {
  const { status } = spawnSync('taskset', ['-c', '0', 'true']);
  return status === 0 ? ['taskset', '-c', `0-${count - 1}`] : [];
}

/** A platform for instances, started when the first is wanted. */
class Site {
  readonly #modelRoots: readonly string[];
  readonly #factories = new Map<number, ContainerFactory>();
  #starting: Promise<Platform> | undefined;

  constructor(modelRoots: readonly string[]) {
    this.#modelRoots = modelRoots;
  }

  async start(): Promise<ProfileSite> {
    this.#starting ??= startPlatform({ modelRoots: this.#modelRoots, logLevel: 'error' });
    const [node] = (await this.#starting).nodes;
    if (node === undefined) throw new PluginError('ERR_INTERNAL', 'the platform has no node');
    const factoryFor = (cpu: number): ContainerFactory => {
      const known = this.#factories.get(cpu);
      if (known !== undefined) return known;
      const factory = new ProcessFactory({
        command: [...pinned(cpu), process.execPath, ...START_ARGUMENTS],
        workPath: join(node.privatePath, `p${cpu}`),
        daemonSocketPath: node.socketPath,
        modelRoots: [...this.#modelRoots],
        path: environment()['PATH'] ?? '',
        memoryWatchMs: MEMORY_WATCH_MS,
      });
      this.#factories.set(cpu, factory);
      return factory;
    };
    return { factoryFor, daemon: node.operator };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#factories.values()].map((factory) => factory.close()));
    await (await this.#starting)?.stop();
  }
}

/** Everything that is wrong with the call is said before anything is started. */
async function settingsOf(model: string, flags: Flags) {
  const path = await modelPath(model);
  await checkOutputs({ json: flags.json, html: flags.html, int8: flags.int8 });
  const { dims, given, name: inputsName } = await inputsOf(flags);
  const config = readConfig(PROFILE_CONFIG, environment(), {
    archivePath: flags.archive,
    dataPath: flags.data,
    storeUrl: flags.storeUrl,
    storePrefix: flags.storePrefix,
  });
  return {
    path,
    config,
    inputs: { dims, given },
    inputsName,
    space: spaceOf(flags),
    rounds: one('rounds', flags.rounds),
    pointsMax: one('points', flags.points),
    timeoutMs: one('timeout', flags.timeout),
    alpha: alphaOf(flags),
  };
}

async function modelPath(model: string): Promise<string> {
  const path = resolve(model);
  const found = await stat(path).catch(() => {
    throw new PluginError('ERR_MODEL_NOT_FOUND', `there is no file ${path}`);
  });
  if (!found.isFile()) throw new PluginError('ERR_MODEL_NOT_FOUND', `${path} is no file`);
  return realpath(path);
}

async function profile(model: string, flags: Flags): Promise<void> {
  const settings = await settingsOf(model, flags);
  await checkNames(settings.path, settings.inputs);
  const archive = openArchive(settings.config);
  const folder = await realpath(await temporaryFolder(tmpdir()));
  const site = new Site([dirname(settings.path), folder]);
  try {
    await checkReadable(archive);
    await sweep(settings, flags, { archive, folder, site });
  } finally {
    await site.stop();
    await archive.close();
    await removeFolder(folder);
  }
}

async function sweep(
  settings: Awaited<ReturnType<typeof settingsOf>>,
  flags: Flags,
  { archive, folder, site }: { archive: OpenArchive; folder: string; site: Site },
): Promise<void> {
  const { path, space, alpha, inputs, inputsName, rounds, pointsMax, timeoutMs } = settings;
  const wantsInt8 = space.variants.includes('int8') || flags.int8 !== undefined;
  let prepared: ReturnType<typeof prepareModel> | undefined;
  const prepare = (): ReturnType<typeof prepareModel> =>
    (prepared ??= prepareModel(path, wantsInt8 ? { folder } : undefined));
  const bar = new SingleBar({
    format: '{bar} {value}/{total}, {eta_formatted} left  {point}',
    barsize: 20,
    clearOnComplete: true,
    stream: process.stderr,
  });
  const interrupted = new AbortController();
  onInterrupt(() => interrupted.abort());
  const result = await profileModel({
    ...{ inputs, inputsName, rounds, pointsMax, timeoutMs },
    ...{ path, space, prepare, signal: interrupted.signal, site: () => site.start() },
    archive: new ProfileArchive(archive.documents),
    onnxruntime: onnxruntimeVersion(),
    sampleMs: 50,
    onUnkept: (reason) => process.stderr.write(`tetris-profile: what is measured is not kept: ${reason}\n`),
    onProgress: ({ done, total, point }) => {
      if (!bar.isActive) bar.start(total, done, { point: '' });
      bar.setTotal(total);
      bar.update(done, { point: pointName(point) });
    },
  }).finally(() => bar.stop());

  const report = { alpha, ...(space.sloMs === undefined ? {} : { sloMs: space.sloMs }) };
  process.stdout.write(`${terminalReport(result.profile, report)}\n`);
  if (flags.json !== undefined) await writeFile(flags.json, JSON.stringify(result.profile, null, 2));
  if (flags.html !== undefined) await writeFile(flags.html, htmlPage(result.profile, report));
  if (flags.int8 !== undefined) await writeInt8(flags.int8, await prepare());
  process.stderr.write(`\n${account(result, archive.where, interrupted.signal.aborted)}\n`);
  if (interrupted.signal.aborted) process.exitCode = EXIT_INTERRUPTED;
}

/** The first Ctrl-C ends the sweep in order, a second one the program. */
function onInterrupt(end: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.stderr.write('\nstopping: what is measured is kept...\n');
      end();
    });
  }
}

function account(
  { profile: { entries }, measured, left }: Awaited<ReturnType<typeof profileModel>>,
  where: string,
  interrupted: boolean,
): string {
  const known = entries.filter(({ source }) => source === 'measured').length;
  const rest = left === 0 ? '' : `, ${left} left${interrupted ? ': the same command goes on with them' : ''}`;
  return `${measured} configurations measured now, ${Math.max(0, known - measured)} known from ${where}${rest}.`;
}

async function writeInt8(target: string, { int8Path }: Awaited<ReturnType<typeof prepareModel>>): Promise<void> {
  if (int8Path !== undefined) return copyFile(int8Path, target);
  throw new PluginError('ERR_MODEL_INVALID', `${target} is not written: there is nothing to quantize`);
}

/** Read from its package, not from the library: that would load it into this process. */
function onnxruntimeVersion(): string {
  const text = readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

outliveReaders();
command()
  .action((model: string, flags: Flags) =>
    profile(model, flags).catch((error: unknown) => {
      process.stderr.write(`tetris-profile: ${errorMessage(error)}\n`);
      process.exitCode = 1;
    }),
  )
  .parse();
