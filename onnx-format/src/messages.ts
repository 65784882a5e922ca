/**
 * The ONNX model format as far as this project reads or writes it; use with `create`, `fromBinary`, `toBinary` of
 * @bufbuild/protobuf.
 */
export { AttributeType, DataLocation, TensorType } from './enumerations';
export { bodiesOf, graphsOf } from './graphs';
export {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from './proto/onnx_pb';
export type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  SparseTensorProto,
  StringStringEntryProto,
  TensorProto,
  TensorShapeProto_Dimension,
  TypeProto,
  ValueInfoProto,
} from './proto/onnx_pb';
