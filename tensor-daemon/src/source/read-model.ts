import type { FileHandle } from 'node:fs/promises';
import { PluginError } from '@tetris/common';
import { fileSource, type OnnxScan, scanModel, type Unshareable, whyUnshareable } from '@tetris/onnx-format';

/**
 * What an open file is as a model, where it is one that can be shared.
 *
 * @param bytes of the file
 * @throws PluginError `ERR_MODEL_INVALID`, `ERR_MODEL_UNSHAREABLE`
 */
export async function readModel(file: FileHandle, bytes: number): Promise<OnnxScan> {
  const scan = await scanModel(fileSource(file.fd, bytes));
  const unshareable = whyUnshareable({ scan });
  if (unshareable !== undefined) throw unshareableError(unshareable);
  // Every other format has its reason.
  return scan as OnnxScan;
}

/** A model that is to be loaded privately. The error's field `reason` is one of the closed list of `onnx-format`. */
export function unshareableError({ reason, detail }: Unshareable): PluginError {
  const code = reason === 'no-model' ? 'ERR_MODEL_INVALID' : 'ERR_MODEL_UNSHAREABLE';
  return new PluginError(code, detail, { fields: { reason } });
}
