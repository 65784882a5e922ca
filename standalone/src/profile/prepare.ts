import { join } from 'node:path';
import { errorMessage } from '@tetris/common';
import type { PreparedModel } from '@tetris/invoker-extension';
import { inlineTensors, readModel, writeModel } from '../quantize/model-file';
import { quantizeModel } from '../quantize/quantize-model';
import { vocabulariesOf } from '../quantize/vocabularies';

/**
 * Looks into a model: what its inputs are, and, where asked, how it is with int8 weights.
 *
 * @param folder existing; takes the int8 model
 * @throws PluginError `ERR_MODEL_INVALID` where the file is no model
 */
export async function prepareModel(path: string, int8: { folder: string } | undefined): Promise<PreparedModel> {
  const model = await readModel(path);
  const vocabularies = vocabulariesOf(model);
  if (int8 === undefined) return { vocabularies };
  try {
    await inlineTensors(model, path);
    const { model: quantized, report } = quantizeModel(model);
    if (report.operators === 0) return { vocabularies, quantized: report };
    const int8Path = join(int8.folder, 'int8.onnx');
    await writeModel(quantized, int8Path);
    return { vocabularies, quantized: report, int8Path };
  } catch (error) {
    const skipped = [{ what: 'the model', count: 1, reason: errorMessage(error) }];
    return { vocabularies, quantized: { operators: 0, bytesBefore: 0, bytesAfter: 0, skipped } };
  }
}
