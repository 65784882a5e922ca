import { join } from 'node:path';
import { errorMessage, PluginError } from '@tetris/common';
import type { ValueInfoProto } from '@tetris/onnx-format/messages';
import { inlineTensors, readModel, writeModel } from './quantize/model-file';
import { quantizeModel } from './quantize/quantize-model';
import type { PreparedModel } from './profile-model';
import { vocabulariesOf } from './quantize/vocabularies';

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

/** Sizes and inputs that somebody named. */
interface NamedInputs {
  dims: Readonly<Record<string, number>>;
  given: Readonly<Record<string, unknown>>;
}

/**
 * A misspelt name must not be measured as if it had not been given.
 * @throws PluginError `ERR_CONFIG_INVALID` that says what the model has, `ERR_MODEL_INVALID` where the file is no model
 */
export async function checkNames(path: string, { dims, given }: NamedInputs): Promise<void> {
  if (Object.keys({ ...dims, ...given }).length === 0) return;
  const { graph } = await readModel(path);
  const constants = new Set(graph?.initializer.map(({ name }) => name));
  const inputs = graph?.input.filter(({ name }) => !constants.has(name)) ?? [];
  refuseOthers('--dim', 'the dimensions', Object.keys(dims), inputs.flatMap(symbolsOf));
  refuseOthers(
    '--inputs',
    'the inputs',
    Object.keys(given),
    inputs.map(({ name }) => name),
  );
}

function symbolsOf({ type }: ValueInfoProto): string[] {
  const dims = type?.value.case === 'tensorType' ? (type.value.value.shape?.dim ?? []) : [];
  return dims.flatMap(({ value }) => (value.case === 'dimParam' ? value.value : []));
}

function refuseOthers(flag: string, what: string, named: readonly string[], present: readonly string[]): void {
  const strange = named.find((name) => !present.includes(name));
  if (strange === undefined) return;
  const known = [...new Set(present)].join(', ');
  const text = `${flag} takes ${what} of the model (${known === '' ? 'it has none' : known}); got '${strange}'`;
  throw new PluginError('ERR_CONFIG_INVALID', text);
}
