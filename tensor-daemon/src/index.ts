export { DAEMON_CONFIG, type DaemonConfig } from './config';
export { FAULT_POINTS, type FaultPoint } from './fault';
export {
  AttributeProtoSchema,
  AttributeType,
  DataLocation,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorType,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from './proto/index';
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
} from './proto/index';
export { type Manifest, STORE_FORMAT } from './store/manifest';
