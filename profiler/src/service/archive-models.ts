/** The ONNX files in an action's zip archive. */
import { buffer } from 'node:stream/consumers';
import { errorMessage, PluginError } from '@tetris/common';
import { fromBufferPromise } from 'yauzl';

export interface ArchivedModel {
  name: string;
  read: () => Promise<Buffer>;
}

/** An archive of 48 MB holds no larger model than this, unless it is made to fill the disk. */
const MODEL_BYTES_MAX = 1024 ** 3;

/** @throws PluginError `ERR_MODEL_NOT_FOUND` where it is no zip archive */
export async function modelsOfArchive(archive: Buffer): Promise<ArchivedModel[]> {
  const zip = await fromBufferPromise(archive, { autoClose: false }).catch((error: unknown) => {
    throw new PluginError('ERR_MODEL_NOT_FOUND', `the code of the action is no zip archive: ${errorMessage(error)}`);
  });
  const models: ArchivedModel[] = [];
  for await (const entry of zip.eachEntry()) {
    if (!entry.fileName.endsWith('.onnx')) continue;
    const read = async (): Promise<Buffer> => {
      if (entry.uncompressedSize > MODEL_BYTES_MAX) {
        throw new PluginError('ERR_MODEL_TOO_LARGE', `${entry.fileName} unpacks to ${entry.uncompressedSize} bytes`);
      }
      return buffer(await zip.openReadStreamPromise(entry));
    };
    models.push({ name: entry.fileName, read });
  }
  return models;
}
