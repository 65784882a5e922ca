/**
 * Cuts an optimized model into tensor files and publishes each under its SHA-256. Runs in a worker thread: it hashes,
 * and it parses what an optimizer wrote for a stranger's model.
 */
import { closeSync, mkdirSync, openSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { PluginError } from '@tetris/common/errors';
import { faultPoint } from '../fault';
import { ModelProtoSchema } from '@tetris/onnx-format/messages';
import { unshareableError } from '../source/read-model';
import { hasCode, linkIfAbsent, syncFolder, unlinkIfPresent } from '../store/files';
import { GRAPH_FILE } from '../store/layout';
import { type Cut, planCuts } from './graph-rewrite';
import { OPTIMIZED_DATA, OPTIMIZED_GRAPH } from './optimize-job';
import { mendSavedGraph } from './saved-graph';
import { planTensorFiles, readRange, type TensorFile, writeTensorFile } from './tensor-file';

/** What it leaves in the scratch folder: the rewritten graph, and a link to each tensor. */
export const MODEL_FOLDER = 'model';
export const PINS_FOLDER = 'pins';

/** What {@link publishTensors} is to do. */
export interface PublishJob {
  /** The flight's folder in scratch: holds the optimizer's output, becomes the holder of pins. */
  scratch: string;
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

/** Attempts at pinning a tensor that is being reclaimed in the same moment. */
const PIN_ATTEMPTS_MAX = 5;

/**
 * Publishes every tensor, then leaves the rewritten graph as `model/model.onnx` in the scratch folder. Until the scratch folder goes,
 * a hard link in `pins/` holds each tensor, also those that were there before: a link is a reference.
 *
 * @throws PluginError `ERR_STORE_FULL`, `ERR_MODEL_UNSHAREABLE`; RangeError where the model cannot be cut
 */
export function publishTensors(job: PublishJob, onProgress: (done: number, total: number) => void): PublishedTensor[] {
  const graphPath = join(job.scratch, OPTIMIZED_GRAPH);
  const dataPath = join(job.scratch, OPTIMIZED_DATA);
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

  const published = publishCuts(cuts, dataPath, dataBytes, job, onProgress);

  const folder = join(job.scratch, MODEL_FOLDER);
  mkdirSync(folder);
  writeFileSync(join(folder, GRAPH_FILE), toBinary(ModelProtoSchema, model), { mode: 0o444, flush: job.sync });
  faultPoint('publish:graph');
  if (job.sync) syncFolder(job.tensorsFolder);
  return [...new Map(published.map((tensor) => [tensor.sha256, tensor])).values()];
}

function publishCuts(
  cuts: Cut[],
  dataPath: string,
  dataBytes: number,
  job: PublishJob,
  onProgress: (done: number, total: number) => void,
): PublishedTensor[] {
  const total = cuts.reduce((sum, { bytes }) => sum + bytes, 0);
  const published: PublishedTensor[] = [];
  mkdirSync(join(job.scratch, PINS_FOLDER));
  const data = dataBytes === 0 ? undefined : openSync(dataPath, 'r+');
  try {
    let done = 0;
    for (const file of planTensorFiles(cuts, dataBytes)) {
      const tensor = publishFile(file, data, job);
      file.cut.place(tensor.sha256);
      published.push(tensor);
      done += tensor.bytes;
      onProgress(done, total);
    }
  } finally {
    if (data !== undefined) closeSync(data);
    unlinkIfPresent(dataPath);
  }
  return published;
}

function publishFile(file: TensorFile, data: number | undefined, job: PublishJob): PublishedTensor {
  const { scratch, tensorsFolder } = job;
  const privateName = join(scratch, 'part');
  const sha256 = written(file, data, privateName, job);
  faultPoint('publish:written');
  const name = join(tensorsFolder, sha256);
  const pin = join(scratch, PINS_FOLDER, sha256);
  for (let attempt = 0; attempt < PIN_ATTEMPTS_MAX; attempt++) {
    if (linkIfAbsent(privateName, name)) {
      faultPoint('publish:linked');
      linkIfAbsent(privateName, pin);
      break;
    }
    try {
      linkIfAbsent(name, pin);
      break;
    } catch (error) {
      // Reclaimed between the two calls: publish ours.
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
  faultPoint('publish:pinned');
  unlinkSync(privateName);
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
