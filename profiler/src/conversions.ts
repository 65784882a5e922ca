/** What is known of a model's converted forms, and how far their answers are from the model's own. */
import { errorMessage } from '@tetris/common';
import { type Conversion, type ConversionResult, isConversion, type ModelProfile } from '@tetris/invoker-extension';
import { compareModels } from './compare';
import type { InstanceOptions } from './instance';
import { identify } from './identify';
import type { InputOptions } from './profile-action';
import type { PreparedModel } from './prepare';
import type { SweepSpace } from './sweep';

/** Requests that the two models of a comparison answer. */
const COMPARED = 16;

export interface ConversionsOptions {
  path: string;
  inputs: Omit<InputOptions, 'vocabularies'>;
  prepare: () => Promise<PreparedModel>;
  space: SweepSpace;
  instance: InstanceOptions;
}

/** Without the forms that the model has nothing to convert for. */
export async function possible(
  space: SweepSpace,
  { conversions }: ModelProfile,
  prepare: () => Promise<PreparedModel>,
): Promise<SweepSpace> {
  const asked = space.variants.filter(isConversion);
  const isKnown = asked.every((form) => conversions[form] !== undefined);
  const found = asked.length === 0 || isKnown ? conversions : (await prepare()).conversions;
  const isEmpty = (form: Conversion): boolean => (conversions[form] ?? found[form])?.replaced === 0;
  return { ...space, variants: space.variants.filter((variant) => !isConversion(variant) || !isEmpty(variant)) };
}

/** Each asked form, compared once; a comparison that failed is tried again. */
export async function compareConversions(
  { conversions }: ModelProfile,
  options: ConversionsOptions,
): Promise<ModelProfile['conversions']> {
  const all = { ...conversions };
  for (const form of options.space.variants.filter(isConversion)) {
    const known = all[form];
    const isCompared = known?.file !== undefined && known.deviations.length > 0;
    if (known?.replaced === 0 || isCompared) continue;
    const found = await compared(form, options);
    if (found !== undefined) all[form] = found;
  }
  return all;
}

async function compared(
  form: Conversion,
  { path, inputs, prepare, instance }: ConversionsOptions,
): Promise<ConversionResult | undefined> {
  const { conversions, vocabularies } = await prepare();
  const made = conversions[form];
  if (made === undefined) return undefined;
  const { path: other, ...report } = made;
  const fresh: ConversionResult = { ...report, deviations: [], samples: 0 };
  if (other === undefined) return fresh;
  const known = { ...fresh, file: await identify(other) };
  if (instance.signal.aborted) return known;
  try {
    const models = { model: path, other, samples: COMPARED };
    const deviations = await compareModels(models, { ...inputs, vocabularies }, instance);
    return { ...known, deviations, samples: COMPARED };
  } catch (error) {
    return { ...known, ...(instance.signal.aborted ? {} : { reason: errorMessage(error) }) };
  }
}
