import type { ModelProfile, ProfileEntry } from '@tetris/invoker-extension';

/**
 * The int8 form of a model as the model of its own that it is once it was written: the platform looks for it under its
 * own digest when an action loads it. Its graph as measured is what onnxruntime makes of that file. Pure.
 *
 * @returns undefined where nothing was quantized or measured
 */
export function int8Profile({ int8, ...profile }: ModelProfile): ModelProfile | undefined {
  const entries = profile.entries
    .filter(({ point }) => point.variant === 'int8')
    .map((entry): ProfileEntry => ({ ...entry, point: { ...entry.point, variant: 'optimized' } }));
  if (int8?.file === undefined || entries.length === 0) return undefined;
  const { tensorBytes, firstLoadMs } = profile;
  return {
    ...profile,
    ...int8.file,
    name: `${profile.name} (int8)`,
    tensorBytes: tensorBytes.int8 === undefined ? {} : { optimized: tensorBytes.int8 },
    firstLoadMs: firstLoadMs.int8 === undefined ? {} : { optimized: firstLoadMs.int8 },
    entries,
  };
}
