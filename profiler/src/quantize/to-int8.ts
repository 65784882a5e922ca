/**
 * Dynamic int8 quantization: weights become bytes beforehand, activations while the model runs. Of
 * `Y = MatMul(A, W)` it makes
 *
 *     A8, a, z = DynamicQuantizeLinear(A)
 *     Y = Cast(MatMulInteger(A8, W8, z, 128)) x (a x w)
 *
 * and the same of Gemm, which adds its bias. onnxruntime fuses that into one kernel. Everything else stays as it is:
 * other operators, small weights, sub-graphs, what can be fed from outside.
 */
import { type ModelProto, TensorType } from '@tetris/onnx-format/messages';
import { type Converted, GraphEditor, int, operatorSet, unconverted } from './graph-editor';
import { quantizeWeight, ZERO_POINT } from './int8-weight';
import { type Product, replaceProducts } from './products';

/** The first operator set with DynamicQuantizeLinear. */
const OPSET_MIN = 11n;

/** Quantizes a model whose tensors are all inside it. */
export function toInt8(model: ModelProto): Converted {
  const opset = operatorSet(model);
  if (model.graph === undefined || opset < OPSET_MIN) {
    return unconverted(model, `it is written in operator set ${opset}; int8 needs ${OPSET_MIN}`);
  }
  const editor = new GraphEditor(model, model.graph);
  const quantizer = new Quantizer(editor);
  replaceProducts(editor, (product, result, name) => quantizer.replace(product, result, name));
  return { model: editor.finish(), report: editor.report };
}

class Quantizer {
  readonly #editor: GraphEditor;
  /** Names of what was quantized already, by the name before. */
  readonly #activations = new Map<string, { values: string; scale: string; zero: string }>();
  readonly #weights = new Map<string, { values: string; scales: string }>();
  #zeroPoint: string | undefined;

  constructor(editor: GraphEditor) {
    this.#editor = editor;
  }

  replace(product: Product, result: string, name: string): void {
    const left = this.#activation(product.activation);
    const right = this.#weight(product);
    const fresh = (part: string): string => this.#editor.fresh(result, part);
    const [sums, floats, scale] = [fresh('sums'), fresh('floats'), fresh('scale')];
    this.#editor.node('MatMulInteger', [left.values, right.values, left.zero, this.#zero()], [sums], name);
    this.#editor.node('Cast', [sums], [floats], name, { attribute: [int('to', TensorType.FLOAT)] });
    this.#editor.node('Mul', [left.scale, right.scales], [scale], name);
    this.#editor.node('Mul', [floats, scale], [result], name);
  }

  #activation(name: string): { values: string; scale: string; zero: string } {
    const known = this.#activations.get(name);
    if (known !== undefined) return known;
    const fresh = (part: string): string => this.#editor.fresh(name, part);
    const made = { values: fresh('int8'), scale: fresh('int8.scale'), zero: fresh('int8.zero') };
    this.#editor.node('DynamicQuantizeLinear', [name], [made.values, made.scale, made.zero], name);
    this.#activations.set(name, made);
    return made;
  }

  #weight({ weight, numbers, rows, columns, transposed }: Product): { values: string; scales: string } {
    const key = `${weight.name} ${transposed}`;
    const known = this.#weights.get(key);
    if (known !== undefined) return known;
    const { data, scales } = quantizeWeight(numbers, rows, columns, transposed);
    const [values, scale] = [this.#editor.fresh(weight.name, 'int8'), this.#editor.fresh(weight.name, 'int8.scales')];
    const made = {
      values: this.#editor.tensor(values, TensorType.UINT8, [rows, columns], data),
      scales: this.#editor.tensor(scale, TensorType.FLOAT, [columns], new Uint8Array(scales.buffer)),
    };
    this.#weights.set(key, made);
    this.#editor.replace(weight, numbers.byteLength, data.length + scales.byteLength);
    return made;
  }

  #zero(): string {
    const name = (): string => this.#editor.fresh('weights', 'int8.zero');
    this.#zeroPoint ??= this.#editor.tensor(name(), TensorType.UINT8, [], Uint8Array.of(ZERO_POINT));
    return this.#zeroPoint;
  }
}
