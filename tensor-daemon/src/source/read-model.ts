import type { FileHandle } from 'node:fs/promises';
import { PluginError } from '@tetris/common/errors';
import {
  fileSource,
  type OnnxScan,
  scanModel,
  type Unshareable,
  type UnshareableReason,
  whyUnshareable,
} from '@tetris/onnx-format';

/** How large a model may be. */
export interface ModelLimits {
  modelBytesMax: number;
  externalFilesMax: number;
}

/**
 * What an open file is as a model, where it is one that can be shared.
 *
 * @param path by which it is loaded, where it is
 * @throws PluginError `ERR_MODEL_INVALID`, `ERR_MODEL_UNSHAREABLE`, `ERR_MODEL_TOO_LARGE`
 */
export async function readModel(
  file: FileHandle,
  { externalFilesMax }: Pick<ModelLimits, 'externalFilesMax'>,
  path?: string,
): Promise<OnnxScan> {
  const { size } = await file.stat();
  const scan = await scanModel(fileSource(file.fd, size));
  const unshareable = whyUnshareable({ scan, ...(path !== undefined && { path }) });
  if (unshareable !== undefined) throw unshareableError(unshareable);
  // Every other format has its reason.
  const onnx = scan as OnnxScan;
  if (onnx.locations.length <= externalFilesMax) return onnx;
  throw new PluginError(
    'ERR_MODEL_TOO_LARGE',
    `it has ${onnx.locations.length} external files, the limit is ${externalFilesMax}`,
  );
}

/** Reasons for which onnxruntime refuses a model, too. */
const INVALID: readonly UnshareableReason[] = ['no-model', 'external-outside'];

/** A model that is to be loaded privately. The error's field `reason` is one of the closed list of `onnx-format`. */
export function unshareableError({ reason, detail }: Unshareable): PluginError {
  const code = INVALID.includes(reason) ? 'ERR_MODEL_INVALID' : 'ERR_MODEL_UNSHAREABLE';
  return new PluginError(code, detail, { fields: { reason } });
}
