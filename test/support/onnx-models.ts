import { writeFile } from 'node:fs/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorType } from '@tetris/onnx-format/messages';

/** A model whose outputs `<type>_out` are its inputs `<type>`, each `[batch, 2]`. */
export async function writeIdentityModel(file: string, types: readonly (keyof typeof TensorType)[]): Promise<void> {
  const value = (name: string, elemType: number) => ({
    name,
    type: {
      value: {
        case: 'tensorType' as const,
        value: {
          elemType,
          shape: {
            dim: [
              { value: { case: 'dimParam' as const, value: 'batch' } },
              { value: { case: 'dimValue' as const, value: 2n } },
            ],
          },
        },
      },
    },
  });
  const names = types.map((type) => type.toLowerCase());
  const model = create(ModelProtoSchema, {
    irVersion: 9n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: {
      name: 'identity',
      node: names.map((name) => ({ opType: 'Identity', input: [name], output: [`${name}_out`] })),
      input: types.map((type) => value(type.toLowerCase(), TensorType[type])),
      output: types.map((type) => value(`${type.toLowerCase()}_out`, TensorType[type])),
    },
  });
  await writeFile(file, toBinary(ModelProtoSchema, model));
}
