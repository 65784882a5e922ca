/** Replaces parts of a model's graph by others, and keeps account of it. */
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
} from '@tetris/onnx-format/messages';
import { isLarge } from './weights';

export interface ConversionReport {
  /** Operators that were replaced, or weights where these alone are: 0 where there is nothing to convert. */
  replaced: number;
  /** Bytes of their weights, each once. */
  bytesBefore: number;
  bytesAfter: number;
  /** What has weights and was left alone, and why. */
  skipped: { what: string; count: number; reason: string }[];
}

export interface Converted {
  /** Shares unchanged parts with the model that it was made of, which stays as it is. */
  model: ModelProto;
  report: ConversionReport;
}

export const operatorSet = ({ opsetImport }: ModelProto): bigint =>
  opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 1n;

/** A model that cannot be converted. */
export function unconverted(model: ModelProto, reason: string): Converted {
  const skipped = [{ what: 'the model', count: 1, reason }];
  return { model, report: { replaced: 0, bytesBefore: 0, bytesAfter: 0, skipped } };
}

export class GraphEditor {
  readonly report: ConversionReport = { replaced: 0, bytesBefore: 0, bytesAfter: 0, skipped: [] };
  readonly graph: GraphProto;
  /** Large constant weights by name: what can be fed from outside is none. */
  readonly weights: ReadonlyMap<string, TensorProto>;
  readonly #model: ModelProto;
  readonly #taken: Set<string>;
  readonly #nodes: NodeProto[] = [];
  readonly #added: TensorProto[] = [];
  readonly #replaced = new Set<string>();

  constructor(model: ModelProto, graph: GraphProto) {
    this.#model = model;
    this.graph = graph;
    const fed = new Set(graph.input.map(({ name }) => name));
    const constants = graph.initializer.filter((tensor) => isLarge(tensor) && !fed.has(tensor.name));
    this.weights = new Map(constants.map((tensor) => [tensor.name, tensor]));
    this.#taken = namesOf(graphsOf(model));
  }

  /** Nodes come in the order in which they are kept or added. */
  keep(node: NodeProto): void {
    this.#nodes.push(node);
  }

  /** @param of what its name begins with */
  node(opType: string, input: string[], output: string[], of: string, more: NodeExtras = {}): void {
    const name = this.fresh(of, opType);
    this.#nodes.push(create(NodeProtoSchema, { name, opType, input, output, ...more }));
  }

  /** Adds a constant. @returns its name */
  tensor(name: string, dataType: number, dims: readonly number[], rawData: Uint8Array): string {
    this.#added.push(create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt), rawData }));
    return name;
  }

  /** A name that hides no other. */
  fresh(name: string, part: string): string {
    let fresh = `${name}.${part}`;
    for (let count = 1; this.#taken.has(fresh); count += 1) fresh = `${name}.${part}${count}`;
    this.#taken.add(fresh);
    return fresh;
  }

  /** The weight leaves, unless something that was kept still reads it. */
  replace(weight: TensorProto, bytesBefore: number, bytesAfter: number): void {
    this.#replaced.add(weight.name);
    this.report.bytesBefore += bytesBefore;
    this.report.bytesAfter += bytesAfter;
  }

  skip(what: string, reason: string): void {
    const known = this.report.skipped.find((each) => each.what === what && each.reason === reason);
    if (known === undefined) this.report.skipped.push({ what, count: 1, reason });
    else known.count += 1;
  }

  /** The model as edited. */
  finish(): ModelProto {
    const used = usesOf([{ ...this.graph, node: this.#nodes }, ...graphsOf(this.#model).slice(1)]);
    const made = new Set(this.#nodes.flatMap(({ output }) => output));
    const stays = (name: string): boolean => !this.#replaced.has(name) || (used.has(name) && !made.has(name));
    const kept = this.graph.initializer.filter(({ name }) => stays(name));
    return { ...this.#model, graph: { ...this.graph, node: this.#nodes, initializer: [...kept, ...this.#added] } };
  }
}

interface NodeExtras {
  attribute?: AttributeProto[];
  domain?: string;
}

export const int = (name: string, value: number): AttributeProto =>
  create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });

/** Every value that a node of the graphs reads, or a graph answers with. */
export function usesOf(graphs: readonly GraphProto[]): Set<string> {
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
