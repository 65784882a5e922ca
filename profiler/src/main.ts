/**
 * `npm run profile -- model.onnx --slo 300`: what every configuration of a model costs on this machine, in real
 * instances over a tensor daemon of its own.
 */
import { copyFile, realpath, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, resolve } from 'node:path';
import {
  checkOutputs,
  errorMessage,
  outliveReaders,
  PluginError,
  readConfig,
  removeFolder,
  temporaryFolder,
} from '@tetris/common';
import { type Conversion, CONVERSIONS, pointName, ProfileArchive } from '@tetris/invoker-extension';
import { selfContained } from '@tetris/pages';
import { SingleBar } from 'cli-progress';
import { environment, PROFILE_CONFIG } from './config';
import { alphaOf, command, type Flags, inputsOf, one, spaceOf } from './flags';
import { checkReadable, type OpenArchive, openArchive } from './open-archive';
import { checkNames, type PreparedModel, prepareModel } from './prepare';
import { profileModel } from './profile-model';
import { terminalReport } from './report';
import { reportData } from './report-data';
import { onnxruntimeVersion, Site } from './site';

/** Shells report a program that Ctrl-C ended so. */
const EXIT_INTERRUPTED = 130;

/** Everything that is wrong with the call is said before anything is started. */
async function settingsOf(model: string, flags: Flags) {
  const path = await modelPath(model);
  await checkOutputs({ json: flags.json, html: flags.html, int8: flags.int8, fp16: flags.fp16, int4: flags.int4 });
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
  const forms = CONVERSIONS.filter((form) => space.variants.includes(form) || flags[form] !== undefined);
  let prepared: ReturnType<typeof prepareModel> | undefined;
  const prepare = (): ReturnType<typeof prepareModel> => (prepared ??= prepareModel(path, forms, folder));
  const bar = new SingleBar({
    format: '{bar} {value}/{total}{left}  {point}',
    barsize: 20,
    clearOnComplete: true,
    stream: process.stderr,
  });
  const sinceMs = performance.now();
  const interrupted = new AbortController();
  onInterrupt(() => interrupted.abort());
  const result = await profileModel({
    ...{ inputs, inputsName, rounds, pointsMax, timeoutMs, alpha },
    ...{ path, space, prepare, signal: interrupted.signal, site: () => site.start() },
    archive: new ProfileArchive(archive.documents),
    onnxruntime: onnxruntimeVersion(),
    sampleMs: 50,
    onUnkept: (reason) => process.stderr.write(`tetris-profile: what is measured is not kept: ${reason}\n`),
    onProgress: ({ done, total, point }) => {
      if (!bar.isActive) bar.start(total, done, { point: '', left: '' });
      bar.setTotal(total);
      bar.update(done, { point: pointName(point), left: done === 0 ? '' : `, ${leftText(sinceMs, done, total)} left` });
    },
  }).finally(() => bar.stop());

  const report = { alpha, ...(space.sloMs === undefined ? {} : { sloMs: space.sloMs }) };
  process.stdout.write(`${terminalReport(result.profile, report)}\n`);
  if (flags.json !== undefined) await writeFile(flags.json, JSON.stringify(result.profile, null, 2));
  if (flags.html !== undefined) {
    const data = reportData([result.profile], {
      ...report,
      command: `tetris-profile ${process.argv.slice(2).join(' ')}`,
    });
    const title = `Profile of ${data.model.name}`;
    await writeFile(flags.html, selfContained({ title, script: 'profile-file.js', settings: { report: data } }));
  }
  for (const form of CONVERSIONS) if (flags[form] !== undefined) await writeForm(form, flags[form], await prepare());
  process.stderr.write(`\n${account(result, archive.where, interrupted.signal.aborted)}\n`);
  if (interrupted.signal.aborted) process.exitCode = EXIT_INTERRUPTED;
}

/** How long the rest takes if it goes on as it did. */
function leftText(sinceMs: number, done: number, total: number): string {
  const seconds = Math.ceil((((performance.now() - sinceMs) / done) * (total - done)) / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
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

async function writeForm(form: Conversion, target: string, { conversions }: PreparedModel): Promise<void> {
  const path = conversions[form]?.path;
  if (path !== undefined) return copyFile(path, target);
  throw new PluginError('ERR_MODEL_INVALID', `${target} is not written: the model has nothing to convert to ${form}`);
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
