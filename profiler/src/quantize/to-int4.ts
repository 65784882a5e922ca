/**
 * Weights of 4 bits; activations and what is computed stay float32. Of `Y = MatMul(A, W)` it makes
 * `Y = MatMulNBits(A, W4, scales)`, an operator of onnxruntime's own that unpacks blocks of the weight as it multiplies.
 * Gemm adds its bias. Everything else stays as it is.
 */
import { create } from '@bufbuild/protobuf';
import { type ModelProto, OperatorSetIdProtoSchema, TensorType } from '@tetris/onnx-format/messages';
import { type Converted, GraphEditor, int, operatorSet, unconverted } from './graph-editor';
import { BLOCK, packWeight } from './int4-weight';
import { type Product, replaceProducts } from './products';

const DOMAIN = 'com.microsoft';

/** The first operator set whose Add stretches a bias by itself. */
const OPSET_MIN = 7n;

/** Quantizes a model whose tensors are all inside it. */
export function toInt4(model: ModelProto): Converted {
  const opset = operatorSet(model);
  if (model.graph === undefined || opset < OPSET_MIN) {
    return unconverted(model, `it is written in operator set ${opset}; int4 needs ${OPSET_MIN}`);
  }
  const editor = new GraphEditor(model, model.graph);
  const packed = new Map<string, string[]>();
  replaceProducts(editor, (product, result, name) => {
    const { activation, weight, rows, columns, transposed } = product;
    const key = `${weight.name} ${transposed}`;
    const weights = packed.get(key) ?? addWeight(editor, product);
    packed.set(key, weights);
    const attribute = [int('K', rows), int('N', columns), int('bits', 4), int('block_size', BLOCK)];
    editor.node('MatMulNBits', [activation, ...weights], [result], name, { attribute, domain: DOMAIN });
  });
  return { model: withOperators(editor.finish()), report: editor.report };
}

/** @returns names of the integers and their scales */
function addWeight(editor: GraphEditor, { weight, numbers, rows, columns, transposed }: Product): string[] {
  const { data, scales } = packWeight(numbers, rows, columns, transposed);
  const blocks = Math.ceil(rows / BLOCK);
  editor.replace(weight, numbers.byteLength, data.length + scales.byteLength);
  const name = (part: string): string => editor.fresh(weight.name, part);
  return [
    editor.tensor(name('int4'), TensorType.UINT8, [columns, blocks, BLOCK / 2], data),
    editor.tensor(name('int4.scales'), TensorType.FLOAT, [columns, blocks], new Uint8Array(scales.buffer)),
  ];
}

function withOperators(model: ModelProto): ModelProto {
  if (model.opsetImport.some(({ domain }) => domain === DOMAIN)) return model;
  const own = create(OperatorSetIdProtoSchema, { domain: DOMAIN, version: 1n });
  return { ...model, opsetImport: [...model.opsetImport, own] };
}
