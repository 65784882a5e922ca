/** A cluster's worth of functions whose models share pre-trained backbones, drawn from a seed. */
import type { TensorRef } from '@tetris/common';
import { Random } from './models/random';

export interface WorkloadOptions {
  functions: number;
  tensorsPerFunction: number;
  backbones: number;
  /** Instances that are started one after the other; every function has at least one. */
  instances: number;
  seed: number;
}

export interface BenchFunction {
  name: string;
  tensors: TensorRef[];
}

export interface Workload {
  functions: BenchFunction[];
  /** Index of the function of each instance, in order of start. */
  starts: Int32Array;
}

/**
 * How much of its backbone a function keeps. Most functions put a head on a frozen backbone, some fine-tune the last
 * quarter of the layers, some are trained from scratch and share nothing.
 */
const MIX = [
  { upTo: 0.7, kept: 0.95 },
  { upTo: 0.85, kept: 0.75 },
  { upTo: 1, kept: 0 },
];
const BACKBONE_BYTES = { min: 25e6, max: 700e6 };
const POPULARITY_EXPONENT = 0.8;

export function drawWorkload(options: WorkloadOptions): Workload {
  const uniform = uniforms(options.seed);
  let tensors = 0;
  const draw = (meanBytes: number): TensorRef => {
    tensors += 1;
    return { sha256: tensors.toString(16).padStart(64, '0'), bytes: Math.ceil(meanBytes * -Math.log(1 - uniform())) };
  };
  const backbones = Array.from({ length: options.backbones }, () => {
    const ratio = BACKBONE_BYTES.max / BACKBONE_BYTES.min;
    const meanBytes = (BACKBONE_BYTES.min * ratio ** uniform()) / options.tensorsPerFunction;
    return { meanBytes, tensors: Array.from({ length: options.tensorsPerFunction }, () => draw(meanBytes)) };
  });
  const pickBackbone = zipf(options.backbones, uniform);
  const functions = Array.from({ length: options.functions }, (_, index) => {
    const backbone = backbones[pickBackbone()] as (typeof backbones)[number];
    const share = uniform();
    const kept = MIX.find(({ upTo }) => share < upTo)?.kept ?? 0;
    const shared = backbone.tensors.slice(0, Math.round(kept * options.tensorsPerFunction));
    const own = Array.from({ length: options.tensorsPerFunction - shared.length }, () => draw(backbone.meanBytes));
    return { name: `tenant${index % 500}/model${index}`, tensors: [...shared, ...own] };
  });
  return { functions, starts: drawStarts(options, uniform) };
}

/** Every function once and the rest by popularity, shuffled. */
function drawStarts({ functions, instances }: WorkloadOptions, uniform: () => number): Int32Array {
  const pick = zipf(functions, uniform);
  const starts = Int32Array.from({ length: instances }, (_, index) => (index < functions ? index : pick()));
  for (let index = instances - 1; index > 0; index -= 1) {
    const other = Math.floor(uniform() * (index + 1));
    [starts[index], starts[other]] = [starts[other] ?? 0, starts[index] ?? 0];
  }
  return starts;
}

/** Draws 0..count-1, k with a weight of 1 / (k + 1)^0.8. */
function zipf(count: number, uniform: () => number): () => number {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank += 1) cumulative[rank] = sum += (rank + 1) ** -POPULARITY_EXPONENT;
  return () => {
    const wanted = uniform() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Numbers in [0, 1). */
function uniforms(seed: number): () => number {
  const random = new Random(seed);
  const value = new Float32Array(1);
  return () => {
    random.fill(value, { center: 0.5, limit: 0.5 });
    return Math.min(value[0] ?? 0, 0.999_999);
  };
}
