import { toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from '@tetris/onnx-format/messages';
import { createHash } from 'node:crypto';
import { corpusModels } from '../../../../bench/src/conformance/corpus';

function digest(seed: number): string {
  const hash = createHash('sha256');
  for (const { name, model, files = {} } of corpusModels(seed)) {
    hash.update(name).update(model instanceof Uint8Array ? model : toBinary(ModelProtoSchema, model));
    for (const [path, bytes] of Object.entries(files)) hash.update(path).update(bytes);
  }
  return hash.digest('hex');
}

describe('the corpus', () => {
  const models = [...corpusModels(1)];

  it('has at least 400 models, each by a name of its own', () => {
    expect(new Set(models.map(({ name }) => name)).size).toBe(models.length);
    expect(models.length).toBeGreaterThanOrEqual(400);
  });

  it('is the same for the same seed, and another for another', () => {
    expect(digest(1)).toBe(digest(1));
    expect(digest(2)).not.toBe(digest(1));
  });
});
