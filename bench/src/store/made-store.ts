import { type Manifest, STORE_FORMAT } from '@tetris/tensor-daemon';
import { createHash, randomFillSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MadeStore {
  models: number;
  tensorsPerModel: number;
  tensorBytes: number;
}

/**
 * Writes a store as a daemon leaves it, without ingesting anything: random tensors under their digests, and manifests
 * over them. The graphs are no ONNX: nobody loads them. No two models share a tensor.
 */
export function makeStore(path: string, { models, tensorsPerModel, tensorBytes }: MadeStore): void {
  mkdirSync(join(path, 'tensors'), { recursive: true });
  const bytes = Buffer.alloc(tensorBytes);
  for (let model = 0; model < models; model += 1) {
    const tensors = Array.from({ length: tensorsPerModel }, (_, index) => {
      // One page that differs is enough for another digest, and a gigabyte of random numbers takes seconds.
      randomFillSync(bytes, 0, Math.min(tensorBytes, 4096));
      const sha256 = createHash('sha256').update(`${model}/${index}`).digest('hex');
      writeFileSync(join(path, 'tensors', sha256), bytes, { mode: 0o444 });
      return { sha256, bytes: tensorBytes };
    });
    const modelKey = createHash('sha256').update(`model ${model}`).digest('hex');
    const folder = join(path, 'models', modelKey);
    const manifest: Manifest = {
      format: STORE_FORMAT,
      modelKey,
      name: `made-${model}`,
      source: modelKey,
      ingestMs: 1_000,
      graphBytes: 4096,
      tensors,
    };
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'model.onnx'), Buffer.alloc(4096), { mode: 0o444 });
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  }
}
