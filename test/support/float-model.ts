/** Small models of float32 weights, and what onnxruntime answers with them before and after a conversion. */
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { Feed } from '@tetris/bench';
import { AttributeType, type ModelProto, ModelProtoSchema, TensorType } from '@tetris/onnx-format/messages';
import { writeModel } from '../../profiler/src/quantize/model-file';
import { infer, type Inferred } from './infer';

export const bytes = (numbers: Float32Array): Uint8Array => new Uint8Array(numbers.buffer);
type Attribute = { name: string; type: number } & ({ i: bigint } | { f: number });

export const attribute = (name: string, value: number, type: number = AttributeType.INT): Attribute =>
  type === AttributeType.INT ? { name, type, i: BigInt(value) } : { name, type, f: value };

export interface NodeSpec {
  opType: string;
  input: string[];
  output: string[];
  attribute?: Attribute[];
}

/** A graph from `x` `[batch, inputs]` to the last node's output. */
export function floatModel(
  inputs: number,
  node: NodeSpec[],
  weights: Record<string, { dims: number[]; data: Float32Array }>,
  opset = 17,
): ModelProto {
  const value = (name: string, second: { dimValue?: number }) => ({
    name,
    type: {
      value: {
        case: 'tensorType' as const,
        value: {
          elemType: TensorType.FLOAT,
          shape: {
            dim: [
              { value: { case: 'dimParam' as const, value: 'batch' } },
              second.dimValue === undefined
                ? { value: { case: 'dimParam' as const, value: 'n' } }
                : { value: { case: 'dimValue' as const, value: BigInt(second.dimValue) } },
            ],
          },
        },
      },
    },
  });
  return create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    graph: {
      name: 'test',
      node: node.map((each, at) => ({ name: `node${at}`, ...each })),
      initializer: Object.entries(weights).map(([name, { dims, data }]) => ({
        name,
        dataType: TensorType.FLOAT,
        dims: dims.map(BigInt),
        rawData: bytes(data),
      })),
      input: [value('x', { dimValue: inputs })],
      output: [value(node.at(-1)?.output[0] ?? '', {})],
    },
  });
}

/** Both models' answers to the same inputs. */
export async function answersOf(
  folder: string,
  name: string,
  { original, converted }: { original: ModelProto; converted: ModelProto },
  feeds: Feed[],
): Promise<{ wanted: Record<string, Inferred>; got: Record<string, Inferred> }> {
  const [before, after] = [join(folder, `${name}.onnx`), join(folder, `${name}-converted.onnx`)];
  await writeModel(original, before);
  await writeModel(converted, after);
  return { wanted: await infer(before, feeds), got: await infer(after, feeds) };
}

/** 1 where both point in the same direction. */
export function cosine(one: readonly number[], other: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, at) => sum + value * (y[at] ?? 0), 0);
  return dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other));
}
