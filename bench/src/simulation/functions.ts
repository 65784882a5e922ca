/** A cluster's worth of functions whose models share pre-trained backbones, drawn from a seed. */
import { type ActionManifest, actionKey, type TensorRef } from '@tetris/common';
import { type Draws, zipf } from './draws';

/** How one instance runs requests: so many workers, each with so many threads, joining so many requests. */
export interface Shape {
  workers: number;
  threads: number;
  batch: number;
}

export interface SimulatedFunction {
  namespace: string;
  /** `namespace/name`. */
  action: string;
  /** See `actionKey` of common. */
  revision: string;
  /** What it really needs; known to the platform once an instance has loaded it. */
  manifest: ActionManifest;
  /** Its memory limit. */
  limitBytes: number;
  /** Requests at once in one instance. */
  concurrency: number;
  /** What an instance of this shape has for itself; undefined: what its manifest says, in any. */
  holdsBytes?: (shape: Shape) => number;
  /** Latency objective; undefined: it has none. */
  sloMs?: number;
  /** Median time of one execution in this shape, alone on a node, ms. */
  executionMs: (shape: Shape, nowMs: number) => number;
  /** What `/init` and the first run take beside it once the tensors are there: processor time, ms. */
  loadMs: number;
}

export interface FunctionsOptions {
  functions: number;
  tensorsPerFunction: number;
  backbones: number;
  /** Of an instance's own. */
  privateBytes: number;
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
const NAMESPACES = 500;
const MIB = 1024 ** 2;
/** Of functions, and of the backbones that they are made of. */
const POPULARITY_EXPONENT = 0.8;
/** Median execution of a model of 100 MB, ms; others take as much longer as they are larger. */
const EXECUTION_MS = 40;

export function drawFunctions(options: FunctionsOptions, draws: Draws): SimulatedFunction[] {
  const { tensorsPerFunction, backbones: count, privateBytes } = options;
  let tensors = 0;
  const draw = (meanBytes: number): TensorRef => {
    tensors += 1;
    return { sha256: tensors.toString(16).padStart(64, '0'), bytes: Math.ceil(draws.exponential(meanBytes)) };
  };
  const backbones = Array.from({ length: count }, () => {
    const bytes = BACKBONE_BYTES.min * (BACKBONE_BYTES.max / BACKBONE_BYTES.min) ** draws.uniform();
    const meanBytes = bytes / tensorsPerFunction;
    return { bytes, meanBytes, tensors: Array.from({ length: tensorsPerFunction }, () => draw(meanBytes)) };
  });
  const pickBackbone = draws.picker(zipf(count, POPULARITY_EXPONENT));
  return Array.from({ length: options.functions }, (_, index) => {
    const backbone = backbones[pickBackbone()] as (typeof backbones)[number];
    const share = draws.uniform();
    const kept = MIX.find(({ upTo }) => share < upTo)?.kept ?? 0;
    const shared = backbone.tensors.slice(0, Math.round(kept * tensorsPerFunction));
    const own = Array.from({ length: tensorsPerFunction - shared.length }, () => draw(backbone.meanBytes));
    const aloneMs = (EXECUTION_MS * backbone.bytes) / 100e6;
    return functionOf(index, [...shared, ...own], privateBytes, aloneMs);
  });
}

/** @param aloneMs median time of one request */
export function functionOf(
  index: number,
  tensors: TensorRef[],
  privateBytes: number,
  aloneMs: number,
): SimulatedFunction {
  const namespace = `tenant${index % NAMESPACES}`;
  const action = `${namespace}/model${index}`;
  const totalBytes = tensors.reduce((sum, { bytes }) => sum + bytes, privateBytes);
  return {
    namespace,
    action,
    revision: actionKey(action, '1'),
    manifest: { tensors, privateBytes },
    limitBytes: 256 * MIB * Math.ceil(totalBytes / (256 * MIB)),
    concurrency: 1,
    executionMs: ({ batch }) => aloneMs * (1 + 0.6 * (batch - 1)),
    loadMs: 100,
  };
}

/** How popular each of them is, the first the most. */
export const popularity = (functions: readonly unknown[]): number[] => zipf(functions.length, POPULARITY_EXPONENT);
