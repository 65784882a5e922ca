/** Values of ONNX's enumerations that this project names; the generated types carry them as integers. */

/** Element types of tensors (`TensorProto.DataType`). */
export const TensorType = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  UINT4: 21,
  INT4: 22,
} as const;

/** Kinds of node attributes (`AttributeProto.AttributeType`). */
export const AttributeType = {
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
} as const;

/** Where a tensor's bytes are (`TensorProto.DataLocation`). */
export const DataLocation = { DEFAULT: 0, EXTERNAL: 1 } as const;
