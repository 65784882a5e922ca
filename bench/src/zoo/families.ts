/** Models of one origin: what fine-tuning leaves alike, tensor by tensor. */
import type { ModelDefinition, WeightSpec } from '../models/graph-builder';

/**
 * A model whose last layers were trained again: it shares all other tensors with its origin.
 *
 * @param layers how many of the last layers with weights are its own; Infinity: all, so that nothing is shared
 * @param seed of the numbers that replace theirs
 */
export function fineTuned(
  origin: ModelDefinition,
  { layers, seed }: { layers: number; seed: number },
): ModelDefinition {
  const own = new Set(lastOf(layersOf(origin.weights), layers));
  const weights = origin.weights.map((weight) =>
    own.has(layerOf(weight)) ? { ...weight, seed: (weight.seed ^ Math.imul(seed, 0x9e37_79b1)) >>> 0 } : weight,
  );
  return { ...origin, name: `${origin.name}-${layers === Infinity ? 'unlike' : `tuned${layers}`}-${seed}`, weights };
}

const lastOf = <T>(list: readonly T[], count: number): T[] => list.slice(Math.max(0, list.length - count));

/** Layers in the order of the graph. */
function layersOf(weights: readonly WeightSpec[]): string[] {
  return [...new Set(weights.filter(isDrawn).map(layerOf))];
}

/** A constant, such as a divisor, is the same after any training. */
const isDrawn = ({ spread }: WeightSpec): boolean => spread.limit > 0;

/** `layer3.up.weight` and `layer3.up.bias` belong to `layer3.up`. */
const layerOf = ({ name }: WeightSpec): string => name.replace(/\.[^.]+$/, '');
