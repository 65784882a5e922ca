/** Inputs of ONNX's backend tests: `test_data_set_N/input_M.pb`, a TensorProto each where the input is a tensor. */
import { fromBinary } from '@bufbuild/protobuf';
import {
  type GraphProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
  type ValueInfoProto,
} from '@tetris/onnx-format/messages';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cautiousRange, drawnInputs } from './drawn-inputs';
import type { Feeds, WireTensor, WireValue } from './work';

/** Element types by ONNX's numbers, as onnxruntime's JavaScript calls them; it does not know all of them. */
export const TYPE_NAMES: readonly string[] = [
  'undefined',
  'float32',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'float64',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
  'float8e8m0',
  'uint2',
  'int2',
];

/**
 * The data sets beside a model, in order; one that is drawn where there are none. A model that is no protobuf has none.
 */
export async function readDataSets(model: string): Promise<Feeds[]> {
  const graph = await graphOf(model);
  if (graph === undefined) return [];
  const folder = dirname(model);
  const names = (await readdir(folder)).filter((name) => /^test_data_set_\d+$/.test(name)).sort(byNumber);
  if (names.length === 0) return drawnDataSets(graph);
  return Promise.all(names.map((name) => readDataSet(join(folder, name), graph)));
}

/** None where an input is nothing that numbers can be drawn for. */
function drawnDataSets(graph: GraphProto): Feeds[] {
  try {
    const tensors = drawnInputs(graph, { batch: 1, seed: 1, rangeOf: cautiousRange });
    return [Object.fromEntries(tensors.map((tensor) => [tensor.name, wireTensor(tensor)]))];
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

async function graphOf(model: string): Promise<GraphProto | undefined> {
  try {
    return fromBinary(ModelProtoSchema, await readFile(model)).graph;
  } catch {
    return undefined;
  }
}

async function readDataSet(folder: string, graph: GraphProto): Promise<Feeds> {
  const files = (await readdir(folder)).filter((name) => /^input_\d+\.pb$/.test(name)).sort(byNumber);
  const initialized = new Set(graph.initializer.map(({ name }) => name));
  const required = graph.input.filter(({ name }) => !initialized.has(name));
  const inputs = files.length > required.length ? graph.input : required;
  const feeds: Feeds = {};
  for (const [index, file] of files.entries()) {
    const bytes = await readFile(join(folder, file));
    const tensor = isTensor(inputs[index]) ? fromBinary(TensorProtoSchema, bytes) : undefined;
    const input = graph.input.find(({ name }) => name === tensor?.name) ?? inputs[index];
    if (input !== undefined) feeds[input.name] = tensor === undefined ? otherValue(input) : wireTensor(tensor);
  }
  return feeds;
}

const isTensor = (input: ValueInfoProto | undefined): boolean => input?.type?.value.case === 'tensorType';

function otherValue({ type }: ValueInfoProto): WireValue {
  const kind = type?.value.case;
  if (kind === 'sequenceType') return { type: 'sequence' };
  return { type: kind === 'mapType' ? 'map' : 'optional' };
}

/** A tensor as both sides are sent it. */
export function wireTensor(tensor: TensorProto): WireTensor {
  const type = TYPE_NAMES[tensor.dataType] ?? 'undefined';
  const dims = tensor.dims.map(Number);
  if (tensor.dataType === TensorType.STRING) {
    return { type, dims, texts: tensor.stringData.map((text) => Buffer.from(text).toString('utf8')) };
  }
  return { type, dims, data: bytesOf(tensor).toString('base64') };
}

/** The bytes of a tensor, in whichever of its fields they are (ONNX IR, TensorProto). */
function bytesOf({ dataType, rawData, ...fields }: TensorProto): Buffer {
  if (rawData.length > 0) return Buffer.from(rawData);
  const { floatData, doubleData, int64Data, uint64Data, int32Data } = fields;
  if (floatData.length > 0) return bufferOf(Float32Array.from(floatData));
  if (doubleData.length > 0) return bufferOf(Float64Array.from(doubleData));
  if (int64Data.length > 0) return bufferOf(BigInt64Array.from(int64Data));
  if (uint64Data.length > 0 && dataType === TensorType.UINT64) return bufferOf(BigUint64Array.from(uint64Data));
  if (uint64Data.length > 0) return bufferOf(Uint32Array.from(uint64Data, Number));
  return bufferOf(narrowed(dataType, int32Data));
}

const TWO_BYTES = new Set<number>([TensorType.UINT16, TensorType.INT16, TensorType.FLOAT16, TensorType.BFLOAT16]);

/** Types of up to 32 bits share one field of 32-bit numbers. */
function narrowed(dataType: number, numbers: readonly number[]): ArrayBufferView {
  if (dataType === TensorType.INT32) return Int32Array.from(numbers);
  return TWO_BYTES.has(dataType) ? Uint16Array.from(numbers) : Uint8Array.from(numbers);
}

function bufferOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function byNumber(one: string, other: string): number {
  return Number(/\d+/.exec(one)?.[0]) - Number(/\d+/.exec(other)?.[0]);
}
