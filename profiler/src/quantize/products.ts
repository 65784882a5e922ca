/** Products of an activation and a constant matrix, which quantization replaces: MatMul, and Gemm with its bias. */
import type { NodeProto, TensorProto } from '@tetris/onnx-format/messages';
import type { GraphEditor } from './graph-editor';
import { floatsOf, hasHeavyBody, sizeOf } from './weights';

export interface Product {
  activation: string;
  weight: TensorProto;
  /** The weight's numbers, `[rows, columns]`; `[columns, rows]` where `transposed`. */
  numbers: Float32Array;
  rows: number;
  columns: number;
  transposed: boolean;
  bias: string | undefined;
}

/**
 * Replaces every product, by `replace`, which adds nodes that make the value `result`; its bias is added to that.
 * Everything else is kept.
 */
export function replaceProducts(
  editor: GraphEditor,
  replace: (product: Product, result: string, name: string) => void,
): void {
  for (const node of editor.graph.node) {
    const product = productOf(node, editor.weights);
    if (typeof product === 'object') {
      const { bias } = product;
      const output = node.output[0] ?? '';
      const result = bias === undefined ? output : editor.fresh(output, 'product');
      replace(product, result, node.name);
      if (bias !== undefined) editor.node('Add', [result, bias], [output], node.name);
      editor.report.replaced += 1;
    } else {
      editor.keep(node);
      if (product !== undefined) editor.skip(node.opType, product);
    }
  }
}

/** What to replace; the reason why not; undefined for a node without a weight worth it. */
function productOf(node: NodeProto, weights: ReadonlyMap<string, TensorProto>): Product | string | undefined {
  const { opType, input, domain } = node;
  const [weight] = input.flatMap((name) => weights.get(name) ?? []);
  if (weight === undefined) return hasHeavyBody(node) ? 'sub-graphs are left alone' : undefined;
  if ((domain !== '' && domain !== 'ai.onnx') || (opType !== 'MatMul' && opType !== 'Gemm')) {
    return 'only MatMul and Gemm are quantized';
  }
  if (weight.name !== input[1]) return 'its weight is not the right factor';
  if (weight.dims.length !== 2) return `its weight has ${weight.dims.length} dimensions, not 2`;
  const numbers = floatsOf(weight);
  if (numbers.length !== sizeOf(weight)) return 'its weight has another size than it says';
  if (!numbers.every(Number.isFinite)) return 'its weight holds numbers that are not finite';
  const [first = 0, second = 0] = weight.dims.map(Number);
  const activation = input[0] ?? '';
  const plain = { activation, weight, numbers, rows: first, columns: second, transposed: false, bias: undefined };
  if (opType === 'MatMul') return plain;
  if (floatAttribute(node, 'alpha') !== 1 || floatAttribute(node, 'beta') !== 1) return 'its alpha or beta is not 1';
  if (intAttribute(node, 'transA') !== 0) return 'its left factor is transposed';
  const bias = input[2] === undefined || input[2] === '' ? undefined : input[2];
  if (intAttribute(node, 'transB') === 0) return { ...plain, bias };
  return { ...plain, rows: second, columns: first, transposed: true, bias };
}

const floatAttribute = ({ attribute }: NodeProto, wanted: string): number =>
  attribute.find(({ name }) => name === wanted)?.f ?? 1;

const intAttribute = ({ attribute }: NodeProto, wanted: string): number =>
  Number(attribute.find(({ name }) => name === wanted)?.i ?? 0n);
