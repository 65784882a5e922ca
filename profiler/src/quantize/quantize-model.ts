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
import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeType,
  type GraphProto,
  graphsOf,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
} from '@tetris/onnx-format/messages';
import { quantizeWeight, ZERO_POINT } from './quantize-weight';

/** Smaller weights stay: their bytes do not matter, and their activations would be quantized for nothing. */
const WEIGHT_NUMBERS_MIN = 16_384;

/** The first operator set with DynamicQuantizeLinear. */
const OPSET_MIN = 11n;

export interface QuantizeReport {
  /** Operators that were replaced. */
  operators: number;
  /** Bytes of their weights, each once. */
  bytesBefore: number;
  bytesAfter: number;
  /** What has weights and was left alone, and why. */
  skipped: { what: string; count: number; reason: string }[];
}

/**
 * Quantizes a model whose tensors are all inside it.
 * @returns a model that shares unchanged parts with the given one, which stays as it is
 */
export function quantizeModel(model: ModelProto): { model: ModelProto; report: QuantizeReport } {
  const { graph } = model;
  const none = { operators: 0, bytesBefore: 0, bytesAfter: 0 };
  const opset = model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 1n;
  if (graph === undefined || opset < OPSET_MIN) {
    const reason = `it is written in operator set ${opset}; int8 needs ${OPSET_MIN}`;
    return { model, report: { ...none, skipped: [{ what: 'the model', count: 1, reason }] } };
  }
  const quantizer = new Quantizer(model, graph);
  return { model: { ...model, graph: quantizer.graph() }, report: quantizer.report };
}

interface Product {
  activation: string;
  weight: TensorProto;
  transposed: boolean;
  bias: string | undefined;
}

class Quantizer {
  readonly report: QuantizeReport = { operators: 0, bytesBefore: 0, bytesAfter: 0, skipped: [] };
  readonly #graph: GraphProto;
  readonly #model: ModelProto;
  readonly #weights: ReadonlyMap<string, TensorProto>;
  readonly #taken: Set<string>;
  readonly #nodes: NodeProto[] = [];
  readonly #added: TensorProto[] = [];
  /** Names of what was quantized already, by the name before. */
  readonly #activations = new Map<string, { values: string; scale: string; zero: string }>();
  readonly #quantized = new Map<string, { values: string; scales: string }>();
  #zeroPoint: string | undefined;

  constructor(model: ModelProto, graph: GraphProto) {
    this.#model = model;
    this.#graph = graph;
    const fed = new Set(graph.input.map(({ name }) => name));
    const floats = graph.initializer.filter(({ dataType }) => dataType === TensorType.FLOAT);
    this.#weights = new Map(floats.filter(({ name }) => !fed.has(name)).map((tensor) => [tensor.name, tensor]));
    this.#taken = namesOf(graphsOf(model));
  }

  graph(): GraphProto {
    for (const node of this.#graph.node) {
      const product = this.#product(node);
      if (typeof product === 'object') this.#replace(node, product);
      else this.#nodes.push(node);
      if (typeof product === 'string') this.#skip(node.opType, product);
    }
    const used = usesOf([{ ...this.#graph, node: this.#nodes }, ...graphsOf(this.#model).slice(1)]);
    const kept = this.#graph.initializer.filter(({ name }) => used.has(name) || !this.#isQuantized(name));
    return { ...this.#graph, node: this.#nodes, initializer: [...kept, ...this.#added] };
  }

  /** What to replace; the reason why not; undefined for a node without a weight worth it. */
  #product(node: NodeProto): Product | string | undefined {
    const { opType, input, domain } = node;
    const weights = input.flatMap((name) => this.#weights.get(name) ?? []).filter((tensor) => isLarge(tensor));
    const [weight] = weights;
    if (weight === undefined) return this.#bodyOf(node);
    if ((domain !== '' && domain !== 'ai.onnx') || (opType !== 'MatMul' && opType !== 'Gemm')) {
      return 'only MatMul and Gemm are quantized';
    }
    if (weight.name !== input[1]) return 'its weight is not the right factor';
    if (weight.dims.length !== 2) return `its weight has ${weight.dims.length} dimensions, not 2`;
    const numbers = floatsOf(weight);
    if (numbers.length !== sizeOf(weight)) return 'its weight has another size than it says';
    if (!numbers.every(Number.isFinite)) return 'its weight holds numbers that are not finite';
    const activation = input[0] ?? '';
    if (opType === 'MatMul') return { activation, weight, transposed: false, bias: undefined };
    if (floatAttribute(node, 'alpha') !== 1 || floatAttribute(node, 'beta') !== 1) return 'its alpha or beta is not 1';
    if (intAttribute(node, 'transA') !== 0) return 'its left factor is transposed';
    const bias = input[2] === undefined || input[2] === '' ? undefined : input[2];
    return { activation, weight, transposed: intAttribute(node, 'transB') !== 0, bias };
  }

  #bodyOf({ attribute }: NodeProto): string | undefined {
    const bodies = attribute.flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]));
    const heavy = bodies.some(({ initializer }) => initializer.some((tensor) => isLarge(tensor)));
    return heavy ? 'sub-graphs are left alone' : undefined;
  }

  #replace({ name, output }: NodeProto, { activation, weight, transposed, bias }: Product): void {
    const result = output[0] ?? '';
    const left = this.#quantizeActivation(activation);
    const right = this.#quantizeWeight(weight, transposed);
    const [sums, floats, scale] = [
      this.#fresh(result, 'sums'),
      this.#fresh(result, 'floats'),
      this.#fresh(result, 'scale'),
    ];
    const product = bias === undefined ? result : this.#fresh(result, 'product');
    this.#node('MatMulInteger', [left.values, right.values, left.zero, this.#zero()], [sums], name);
    this.#node('Cast', [sums], [floats], name, [int('to', TensorType.FLOAT)]);
    this.#node('Mul', [left.scale, right.scales], [scale], name);
    this.#node('Mul', [floats, scale], [product], name);
    if (bias !== undefined) this.#node('Add', [product, bias], [result], name);
    this.report.operators += 1;
  }

  #quantizeActivation(name: string): { values: string; scale: string; zero: string } {
    const known = this.#activations.get(name);
    if (known !== undefined) return known;
    const made = {
      values: this.#fresh(name, 'int8'),
      scale: this.#fresh(name, 'int8.scale'),
      zero: this.#fresh(name, 'int8.zero'),
    };
    this.#node('DynamicQuantizeLinear', [name], [made.values, made.scale, made.zero], name);
    this.#activations.set(name, made);
    return made;
  }

  #quantizeWeight(weight: TensorProto, transposed: boolean): { values: string; scales: string } {
    const key = `${weight.name} ${transposed}`;
    const known = this.#quantized.get(key);
    if (known !== undefined) return known;
    const [first = 0, second = 0] = weight.dims.map(Number);
    const [rows, columns] = transposed ? [second, first] : [first, second];
    const { data, scales } = quantizeWeight(floatsOf(weight), rows, columns, transposed);
    const made = {
      values: this.#tensor(this.#fresh(weight.name, 'int8'), TensorType.UINT8, [rows, columns], data),
      scales: this.#tensor(this.#fresh(weight.name, 'int8.scales'), TensorType.FLOAT, [columns], bytesOf(scales)),
    };
    this.#quantized.set(key, made);
    this.report.bytesBefore += 4 * data.length;
    this.report.bytesAfter += data.length + scales.byteLength;
    return made;
  }

  #zero(): string {
    this.#zeroPoint ??= this.#tensor(
      this.#fresh('weights', 'int8.zero'),
      TensorType.UINT8,
      [],
      Uint8Array.of(ZERO_POINT),
    );
    return this.#zeroPoint;
  }

  #isQuantized(name: string): boolean {
    return this.#quantized.has(`${name} true`) || this.#quantized.has(`${name} false`);
  }

  #tensor(name: string, dataType: number, dims: readonly number[], rawData: Uint8Array): string {
    this.#added.push(create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt), rawData }));
    return name;
  }

  #node(opType: string, input: string[], output: string[], of: string, attribute: AttributeProto[] = []): void {
    const name = this.#fresh(of, opType);
    this.#nodes.push(create(NodeProtoSchema, { name, opType, input, output, attribute }));
  }

  #skip(what: string, reason: string): void {
    const known = this.report.skipped.find((each) => each.what === what && each.reason === reason);
    if (known === undefined) this.report.skipped.push({ what, count: 1, reason });
    else known.count += 1;
  }

  #fresh(name: string, part: string): string {
    let fresh = `${name}.${part}`;
    for (let count = 1; this.#taken.has(fresh); count += 1) fresh = `${name}.${part}${count}`;
    this.#taken.add(fresh);
    return fresh;
  }
}

const isLarge = (tensor: TensorProto): boolean =>
  tensor.dataType === TensorType.FLOAT && sizeOf(tensor) >= WEIGHT_NUMBERS_MIN;

const sizeOf = ({ dims }: TensorProto): number => dims.reduce((product, size) => product * Number(size), 1);

function floatsOf({ rawData, floatData }: TensorProto): Float32Array {
  if (rawData.length === 0) return Float32Array.from(floatData);
  // A copy: the bytes may begin anywhere in the file that was read.
  return new Float32Array(new Uint8Array(rawData).buffer, 0, Math.floor(rawData.length / 4));
}

const bytesOf = (numbers: Float32Array): Uint8Array => new Uint8Array(numbers.buffer);

const int = (name: string, value: number): AttributeProto =>
  create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });

const floatAttribute = ({ attribute }: NodeProto, wanted: string): number =>
  attribute.find(({ name }) => name === wanted)?.f ?? 1;

const intAttribute = ({ attribute }: NodeProto, wanted: string): number =>
  Number(attribute.find(({ name }) => name === wanted)?.i ?? 0n);

function usesOf(graphs: readonly GraphProto[]): Set<string> {
  return new Set(
    graphs.flatMap(({ node, output }) => [...node.flatMap(({ input }) => input), ...output.map(({ name }) => name)]),
  );
}

/** Every name of a value or node: a new one must not hide one that a sub-graph sees. */
function namesOf(graphs: readonly GraphProto[]): Set<string> {
  return new Set(
    graphs.flatMap(({ node, initializer, input }) => [
      ...node.flatMap((each) => [each.name, ...each.input, ...each.output]),
      ...initializer.map(({ name }) => name),
      ...input.map(({ name }) => name),
    ]),
  );
}
