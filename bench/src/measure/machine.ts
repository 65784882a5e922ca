import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';

/** What a figure was measured on; part of every result file. */
export interface Machine {
  cores: number;
  cpu: string;
  memoryMb: number;
  kernel: string;
  node: string;
  onnxruntime: string;
}

export function machine(): Machine {
  const { version } = JSON.parse(readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8')) as {
    version: string;
  };
  return {
    cores: cpus().length,
    cpu: `${cpus()[0]?.model ?? 'unknown'} (${arch()})`,
    memoryMb: Math.round(totalmem() / 1e6),
    kernel: release(),
    node: process.version,
    onnxruntime: version,
  };
}
