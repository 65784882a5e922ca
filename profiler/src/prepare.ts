import { join } from 'node:path';
import { errorMessage, PluginError } from '@tetris/common';
import type { Conversion } from '@tetris/invoker-extension';
import type { ModelProto, ValueInfoProto } from '@tetris/onnx-format/messages';
import type { InputOptions } from './profile-action';
import { CONVERTERS } from './quantize/convert';
import { type ConversionReport, unconverted } from './quantize/graph-editor';
import { inlineTensors, readModel, writeModel } from './quantize/model-file';
import { vocabulariesOf } from './quantize/vocabularies';

/** What a look into the model has found. */
export interface PreparedModel {
  vocabularies: InputOptions['vocabularies'];
  /** Of each form asked for, what became of its weights, and where it is; nowhere if there is nothing to convert. */
  conversions: Partial<Record<Conversion, ConversionReport & { path?: string }>>;
}

/**
 * Looks into a model: what its inputs are, and how it is in the forms asked for.
 *
 * @param folder existing; takes the converted models
 * @throws PluginError `ERR_MODEL_INVALID` where the file is no model
 */
export async function prepareModel(path: string, forms: readonly Conversion[], folder: string): Promise<PreparedModel> {
  const model = await readModel(path);
  const prepared: PreparedModel = { vocabularies: vocabulariesOf(model), conversions: {} };
  for (const form of forms) prepared.conversions[form] = await convert(form, { model, path, folder });
  return prepared;
}

async function convert(
  form: Conversion,
  { model, path, folder }: { model: ModelProto; path: string; folder: string },
): Promise<ConversionReport & { path?: string }> {
  try {
    await inlineTensors(model, path);
    const converted = CONVERTERS[form](model);
    if (converted.report.replaced === 0) return converted.report;
    const target = join(folder, `${form}.onnx`);
    await writeModel(converted.model, target);
    return { ...converted.report, path: target };
  } catch (error) {
    return unconverted(model, errorMessage(error)).report;
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
