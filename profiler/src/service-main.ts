#!/usr/bin/env node
/** `tetris-profile-service`: profiles as a service, on the machine that is to be measured. */
import { join } from 'node:path';
import { createLogger, errorMessage, readConfig, stopOnSignals } from '@tetris/common';
import { ProfileArchive } from '@tetris/invoker-extension';
import { defaultArchive } from '@tetris/standalone';
import { environment, PROFILE_CONFIG, type ProfileConfig } from './config';
import { checkReadable, openArchive } from './open-archive';
import { actionCode } from './service/action-code';
import { Jobs } from './service/jobs';
import { Journal } from './service/journal';
import { ModelFiles } from './service/models';
import { Results } from './service/results';
import { profileServer } from './service/routes';
import { jobRunner } from './service/run-job';

/** What a core is worth in MB, as the command has it. */
const ALPHA = 64;

const folderOf = ({ jobsPath, dataPath }: ProfileConfig): string =>
  jobsPath !== '' ? jobsPath : join(dataPath === '' ? defaultArchive() : dataPath, 'profile-jobs');

async function main(): Promise<void> {
  const config = readConfig(PROFILE_CONFIG, environment());
  const log = createLogger('profile', config.logLevel);
  const archive = openArchive(config);
  await checkReadable(archive);
  const folder = folderOf(config);
  const results = new Results(archive.documents);
  const models = new ModelFiles({
    folder: join(folder, 'models'),
    roots: config.modelRoots,
    uploadBytesMax: config.uploadBytesMax,
    keptBytesMax: config.keptBytesMax,
    codeOf: (action) => actionCode(config, action),
  });
  const run = jobRunner({
    models,
    archive: new ProfileArchive(archive.documents),
    timeoutMs: config.timeoutMs,
    alpha: ALPHA,
  });
  const jobs = new Jobs({
    journal: new Journal(folder, (path, reason) =>
      log.warn({ path, reason }, 'this file holds no job: it is passed over; remove it, or put back what was there'),
    ),
    jobsMax: config.jobsMax,
    nowMs: Date.now,
    run: async (job, change, signal) => {
      const result = await run(job, change, signal);
      await results.note(result.profile, Date.now());
      return result;
    },
  });
  const { modelRoots: roots, uploadBytesMax } = config;
  const server = profileServer({ jobs, models, results, roots, uploadBytesMax, alpha: ALPHA, nowMs: Date.now });
  const stop = async (): Promise<void> => {
    await server.close();
    await jobs.stop();
    await archive.close();
  };
  stopOnSignals(stop, log);
  // Where another process has started this one, it ends with it, however that ends.
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  await server.listen(
    config.socketPath === '' ? { host: config.host, port: config.port } : { path: config.socketPath },
  );
  jobs.start();
  process.send?.('ready');
}

main().catch((error: unknown) => {
  process.stderr.write(`tetris-profile-service: ${errorMessage(error)}\n`);
  process.exit(1);
});
