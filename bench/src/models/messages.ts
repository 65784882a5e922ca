/** Parts of ONNX models, made in one line each. */
import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeType,
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '@tetris/onnx-format/messages';

/** A size, or the name of a symbolic axis such as `batch`. */
export type Dimension = number | string;

/** A plain number is an ONNX integer; floats are marked. */
export type Attribute =
  | number
  | readonly number[]
  | string
  | { float: number }
  | { floats: readonly number[] }
  | { texts: readonly string[] }
  | GraphProto
  | TensorProto;

export type Attributes = Readonly<Record<string, Attribute>>;

/** A node named for its first output. @param domain of the operator; '' is ONNX's own */
export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Attributes = {},
  domain = '',
): NodeProto {
  const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
  const name = output.find((candidate) => candidate !== '') ?? '';
  const ends = { input: [...input], output: [...output] };
  return create(NodeProtoSchema, { name, opType, ...ends, attribute, ...(domain === '' ? {} : { domain }) });
}

/** A graph's input or output; dims are sizes or the names of symbolic axes. @param elemType a `TensorType` */
export function valueInfo(name: string, elemType: number, dims: readonly Dimension[]): ValueInfoProto {
  const dim = dims.map((size) => ({
    value:
      typeof size === 'number'
        ? ({ case: 'dimValue', value: BigInt(size) } as const)
        : ({ case: 'dimParam', value: size } as const),
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  });
}

/** A tensor over the bytes of `data`, or over texts. @param dataType a `TensorType` */
export function tensor(
  name: string,
  dataType: number,
  dims: readonly number[],
  data: ArrayBufferView | readonly string[],
): TensorProto {
  const shape = dims.map(BigInt);
  if (!ArrayBuffer.isView(data)) {
    const stringData = data.map((text) => new Uint8Array(Buffer.from(text)));
    return create(TensorProtoSchema, { name, dataType, dims: shape, stringData });
  }
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return create(TensorProtoSchema, { name, dataType, dims: shape, rawData });
}

/** float32. */
export function floats(name: string, dims: readonly number[], values: readonly number[]): TensorProto {
  return tensor(name, TensorType.FLOAT, dims, Float32Array.from(values));
}

/** int64, of one dimension. */
export function integers(name: string, values: readonly number[]): TensorProto {
  return tensor(name, TensorType.INT64, [values.length], BigInt64Array.from(values.map(BigInt)));
}

function attributeOf(name: string, value: Attribute): AttributeProto {
  return create(AttributeProtoSchema, { name, ...contentOf(value) });
}

function contentOf(value: Attribute): Parameters<typeof create<typeof AttributeProtoSchema>>[1] {
  if (typeof value === 'number') return { type: AttributeType.INT, i: BigInt(value) };
  if (typeof value === 'string') return { type: AttributeType.STRING, s: new Uint8Array(Buffer.from(value)) };
  if ('float' in value) return { type: AttributeType.FLOAT, f: value.float };
  if ('floats' in value) return { type: AttributeType.FLOATS, floats: [...value.floats] };
  if ('texts' in value) {
    return { type: AttributeType.STRINGS, strings: value.texts.map((text) => new Uint8Array(Buffer.from(text))) };
  }
  if ('$typeName' in value) {
    if (value.$typeName === 'onnx.TensorProto') return { type: AttributeType.TENSOR, t: value };
    return { type: AttributeType.GRAPH, g: value };
  }
  return { type: AttributeType.INTS, ints: value.map(BigInt) };
}
