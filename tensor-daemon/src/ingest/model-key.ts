import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errorMessage, type GraphOptions, PluginError } from '@tetris/common';
import stableStringify from 'fast-json-stable-stringify';
import { STORE_FORMAT } from '../store/manifest';

/** CPU flags that select kernels, hence the layout of packed weights and the graph's convolutions. */
const KERNEL_FLAGS = /^(sse|ssse|avx|fma|f16c|bmi|amx|vnni|asimd|neon|sve|sme|i8mm|bf16|fphp|dotprod)/;

/** Raised whenever the same model is stored in another form: what an earlier version stored is not found then. */
const INGEST_VERSION = 2;

/** What a saved, optimized model depends on beside the model and its options. */
export interface Platform {
  onnxruntime: string;
  architecture: string;
  /** Sorted. */
  cpuFlags: string[];
}

/** The platform of this machine. @throws PluginError `ERR_CONFIG_INVALID` where nothing tells it */
export function readPlatform(cpuInfoPath: string): Platform {
  try {
    return detectPlatform(readFileSync(cpuInfoPath, 'utf8'));
  } catch (error) {
    throw new PluginError('ERR_CONFIG_INVALID', `cpuInfoPath ${cpuInfoPath}: ${errorMessage(error)}`, { cause: error });
  }
}

/** A platform as the kernel describes its CPU. */
export function detectPlatform(cpuInfo: string): Platform {
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuInfo)?.[1] ?? '';
  const cpuFlags = line.split(/\s+/).filter((flag) => KERNEL_FLAGS.test(flag));
  const { version } = JSON.parse(readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8')) as {
    version: string;
  };
  return { onnxruntime: version, architecture: process.arch, cpuFlags: [...new Set(cpuFlags)].sort() };
}

/** Equal where CPUs are alike in what models depend on: nodes between which optimized models can be passed on. */
export function cpuOf({ architecture, cpuFlags }: Platform): string {
  const digest = createHash('sha256').update(cpuFlags.join(' ')).digest('hex');
  return `${architecture}-${digest.slice(0, 8)}`;
}

/**
 * The key of an ingested model: SHA-256 of the stable JSON of everything its stored form depends on. Two ways to the
 * same bytes give the same key.
 *
 * @param scope among whom it is shared; empty: all
 */
export function modelKeyOf(
  model: { sha256: string; externalData: readonly { location: string; sha256: string }[] },
  graph: GraphOptions,
  platform: Platform,
  tensorBytesMin: number,
  scope = '',
): string {
  const { sha256, externalData } = model;
  const parts = {
    format: STORE_FORMAT,
    ingest: INGEST_VERSION,
    sha256,
    externalData,
    graph,
    platform,
    tensorBytesMin,
    ...(scope !== '' && { scope }),
  };
  return createHash('sha256').update(stableStringify(parts)).digest('hex');
}
