/**
 * Cuts an optimized model into tensor files, each under its SHA-256, and adds them to a stage. Runs in a worker thread:
 * it hashes, and it parses what an optimizer wrote for a stranger's model.
 */
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { PluginError } from '@tetris/common/errors';
import { faultPoint } from '../fault';
import { ModelProtoSchema } from '@tetris/onnx-format/messages';
import { unshareableError } from '../source/read-model';
import { hasCode, unlinkIfPresent } from '../store/files';
import { StageFiles } from '../store/stage';
import { type Cut, planCuts } from './graph-rewrite';
import { OPTIMIZED_DATA, OPTIMIZED_GRAPH } from './optimize-job';
import { mendSavedGraph } from './saved-graph';
import { planTensorFiles, readRange, type TensorFile, writeTensorFile } from './tensor-file';

/** What {@link publishTensors} is to do. */
export interface PublishJob {
  /** Folder of the stage. Its work folder holds the optimizer's output, which is used up. */
  stage: string;
  tensorsFolder: string;
  tensorBytesMin: number;
  graphBytesMax: number;
  /** The inputs that the original has to be fed with. */
  inputNames: readonly string[];
  sync: boolean;
  /** Enters the names of the tensors: see {@link writeTensorFile}. */
  scope: string;
}

/** A tensor of a model, as its manifest lists it. */
export interface PublishedTensor {
  sha256: string;
  /** Size of the file. */
  bytes: number;
}

/** What has been staged. */
export interface PublishOutcome {
  tensors: PublishedTensor[];
  graphBytes: number;
}

/**
 * Adds every tensor and the rewritten graph to the stage. Nothing of it is in the store before the stage is committed.
 * @throws PluginError `ERR_STORE_FULL`, `ERR_MODEL_UNSHAREABLE`; RangeError where the model cannot be cut
 */
export function publishTensors(job: PublishJob, onProgress: (done: number, total: number) => void): PublishOutcome {
  const stage = new StageFiles(job.stage, job.tensorsFolder);
  const graphPath = join(stage.work, OPTIMIZED_GRAPH);
  const dataPath = join(stage.work, OPTIMIZED_DATA);
  const graphBytes = statSync(graphPath).size;
  if (graphBytes > job.graphBytesMax) {
    const excess = `optimized, its graph has ${graphBytes} bytes without its tensors, the limit is ${job.graphBytesMax}`;
    throw unshareableError({ reason: 'excessive', detail: excess });
  }
  const model = fromBinary(ModelProtoSchema, readFileSync(graphPath));
  const dataBytes = statSync(dataPath, { throwIfNoEntry: false })?.size ?? 0;
  mendSavedGraph(model, job.inputNames);
  const { cuts, inlined } = planCuts(model, OPTIMIZED_DATA, dataBytes, job.tensorBytesMin);
  for (const tensor of inlined) tensor.fill(readRange(dataPath, tensor.from));

  const published = publishCuts(cuts, { path: dataPath, bytes: dataBytes }, stage, job, onProgress);

  const graph = toBinary(ModelProtoSchema, model);
  const rewritten = join(stage.work, 'rewritten.onnx');
  writeFileSync(rewritten, graph, { mode: 0o444, flush: job.sync });
  stage.addGraph(rewritten);
  faultPoint('publish:graph');
  return {
    tensors: [...new Map(published.map((tensor) => [tensor.sha256, tensor])).values()],
    graphBytes: graph.length,
  };
}

function publishCuts(
  cuts: Cut[],
  { path, bytes }: { path: string; bytes: number },
  stage: StageFiles,
  job: PublishJob,
  onProgress: (done: number, total: number) => void,
): PublishedTensor[] {
  const total = cuts.reduce((sum, cut) => sum + cut.bytes, 0);
  const published: PublishedTensor[] = [];
  const data = bytes === 0 ? undefined : openSync(path, 'r+');
  try {
    let done = 0;
    for (const file of planTensorFiles(cuts, bytes)) {
      const tensor = publishFile(file, data, stage, job);
      file.cut.place(tensor.sha256);
      published.push(tensor);
      done += tensor.bytes;
      onProgress(done, total);
    }
  } finally {
    if (data !== undefined) closeSync(data);
    unlinkIfPresent(path);
  }
  return published;
}

function publishFile(file: TensorFile, data: number | undefined, stage: StageFiles, job: PublishJob): PublishedTensor {
  const unnamed = join(stage.work, 'part');
  const sha256 = written(file, data, unnamed, job);
  faultPoint('publish:written');
  stage.addTensor(sha256, unnamed);
  faultPoint('publish:staged');
  return { sha256, bytes: file.cut.bytes };
}

function written(file: TensorFile, data: number | undefined, path: string, job: PublishJob): string {
  try {
    return writeTensorFile(path, file, data, job);
  } catch (error) {
    unlinkIfPresent(path);
    if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
      throw new PluginError('ERR_STORE_FULL', 'no space is left on the file system of the store', {
        retriable: true,
        cause: error,
      });
    }
    throw error;
  }
}
