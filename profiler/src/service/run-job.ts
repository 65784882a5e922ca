/** Does what a job asks for, as the command does. */
import { tmpdir } from 'node:os';
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { asPluginError, PluginError, removeFolder, temporaryFolder } from '@tetris/common';
import { isConversion, pointName, type ProfileArchive } from '@tetris/invoker-extension';
import { checkNames, prepareModel } from '../prepare';
import { profileModel } from '../profile-model';
import { onnxruntimeVersion, Site } from '../site';
import { bytesOf, type Job } from './job';
import type { JobResult, JobsOptions } from './jobs';
import type { ModelFiles } from './models';

export interface RunnerParts {
  models: Pick<ModelFiles, 'find'>;
  archive: ProfileArchive;
  /** Longest time for one configuration, ms. */
  timeoutMs: number;
  /** MB that one core is worth, for the choice. */
  alpha: number;
}

export const jobRunner =
  (parts: RunnerParts): JobsOptions['run'] =>
  async (job, change, signal) => {
    const { path, name } = await parts.models.find(job.spec.model);
    const folder = await realpath(await temporaryFolder(tmpdir()));
    const site = new Site([dirname(path), folder]);
    try {
      return await sweep(job, { ...parts, path, name, folder, site }, change, signal);
    } catch (error) {
      // Where the service keeps the file says nothing to who has sent it.
      const { code, message, retriable } = asPluginError(error);
      throw new PluginError(code, message.replaceAll(path, name), { retriable, cause: error });
    } finally {
      await site.stop();
      await removeFolder(folder);
    }
  };

interface SweepParts extends RunnerParts {
  path: string;
  name: string;
  folder: string;
  site: Site;
}

async function sweep(
  { spec }: Job,
  { path, name, folder, site, archive, timeoutMs, alpha }: SweepParts,
  change: (news: Partial<Job>) => void,
  signal: AbortSignal,
): Promise<JobResult> {
  const { variants, cpus, memory, batches, workers, threads, sloMs, dims, rounds, points } = spec;
  await checkNames(path, { dims, given: {} });
  let prepared: ReturnType<typeof prepareModel> | undefined;
  const { profile, measured } = await profileModel({
    path,
    inputs: { dims, given: {} },
    inputsName: Object.entries(dims)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([dim, size]) => `${dim}=${size}`)
      .join(' '),
    space: {
      ...{ variants, cpus, concurrencies: workers, threads, batches, memoryLimits: memory.map(bytesOf) },
      ...(sloMs === undefined ? {} : { sloMs }),
    },
    ...{ rounds, pointsMax: points, timeoutMs, alpha, archive, signal },
    name,
    onnxruntime: onnxruntimeVersion(),
    sampleMs: 50,
    site: () => site.start(),
    prepare: () => (prepared ??= prepareModel(path, variants.filter(isConversion), folder)),
    onUnkept: (reason) => {
      throw new PluginError('ERR_STORE_UNAVAILABLE', `what is measured cannot be kept: ${reason}`);
    },
    onProgress: ({ done, total, point }) => change({ progress: { done, total, point: pointName(point) } }),
  });
  return { profile, measured };
}
