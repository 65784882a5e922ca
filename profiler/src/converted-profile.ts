import type { Conversion, ModelProfile, ProfileEntry } from '@tetris/invoker-extension';

/**
 * A converted form of a model as the model of its own that it is once it was written: the platform looks for it under
 * its own digest when an action loads it. Its graph as measured is what onnxruntime makes of that file. Pure.
 *
 * @returns undefined where nothing was converted or measured
 */
export function convertedProfile(profile: ModelProfile, form: Conversion): ModelProfile | undefined {
  const { file } = profile.conversions[form] ?? {};
  const entries = profile.entries
    .filter(({ point }) => point.variant === form)
    .map((entry): ProfileEntry => ({ ...entry, point: { ...entry.point, variant: 'optimized' } }));
  if (file === undefined || entries.length === 0) return undefined;
  const { tensorBytes, firstLoadMs } = profile;
  return {
    ...profile,
    ...file,
    name: `${profile.name} (${form})`,
    tensorBytes: tensorBytes[form] === undefined ? {} : { optimized: tensorBytes[form] },
    firstLoadMs: firstLoadMs[form] === undefined ? {} : { optimized: firstLoadMs[form] },
    conversions: {},
    entries,
  };
}
