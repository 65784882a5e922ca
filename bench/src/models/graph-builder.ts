import { create } from '@bufbuild/protobuf';
import { type GraphProto, GraphProtoSchema, TensorType } from '@tetris/onnx-format/messages';
import { type Attributes, type Dimension, node, valueInfo } from './messages';
import { seedOf, type Spread } from './random';

export interface InputSpec {
  name: string;
  type: 'float32' | 'int64';
  dims: readonly Dimension[];
  /** Values fed to it: below this bound for int64, within [-bound, bound] for float32. */
  bound: number;
}

/** An initializer whose values are drawn while the file is written, so that no model is ever held in memory whole. */
export interface WeightSpec {
  name: string;
  dims: readonly number[];
  seed: number;
  spread: Spread;
}

/** Initializers with given values: shapes and indices. */
export interface ConstantSpec {
  name: string;
  values: readonly number[];
}

/** A model ready to be written. */
export interface ModelDefinition {
  name: string;
  graph: GraphProto;
  inputs: readonly InputSpec[];
  weights: readonly WeightSpec[];
  constants: readonly ConstantSpec[];
}

const ELEMENT_TYPES = { float32: TensorType.FLOAT, int64: TensorType.INT64 } as const;

/**
 * Builds an ONNX graph node by node, in topological order. Values are known by their names, which each method returns.
 * A weight's numbers depend on its name and seed alone: two models that declare the same weight share its bytes.
 */
export class GraphBuilder {
  readonly #graph: GraphProto;
  readonly #inputs: InputSpec[] = [];
  readonly #weights = new Map<string, WeightSpec>();
  readonly #constants: ConstantSpec[] = [];
  readonly #seed: number;

  /** @param seed seed of every weight that has none of its own */
  constructor(name: string, seed: number) {
    this.#graph = create(GraphProtoSchema, { name });
    this.#seed = seed;
  }

  input(spec: InputSpec): string {
    this.#inputs.push(spec);
    this.#graph.input.push(valueInfo(spec.name, ELEMENT_TYPES[spec.type], spec.dims));
    return spec.name;
  }

  /** A float32 initializer spread evenly; declaring it again refers to the first declaration. */
  weight(name: string, dims: readonly number[], spread: Spread, seed = this.#seed): string {
    if (!this.#weights.has(name)) this.#weights.set(name, { name, dims, seed: seedOf(seed, name), spread });
    return name;
  }

  /** A float32 number. */
  scalar(name: string, value: number): string {
    return this.weight(name, [], { center: value, limit: 0 });
  }

  /** A matrix whose outputs keep the variance of `fanIn` inputs of variance one. */
  matrix(name: string, dims: readonly number[], fanIn: number, seed = this.#seed): string {
    return this.weight(name, dims, { center: 0, limit: Math.sqrt(3 / fanIn) }, seed);
  }

  /** A float32 vector of small numbers around zero. */
  bias(name: string, length: number, seed = this.#seed): string {
    return this.weight(name, [length], { center: 0, limit: 0.05 }, seed);
  }

  /** A one-dimensional int64 initializer with these values. */
  constant(name: string, values: readonly number[]): string {
    this.#constants.push({ name, values });
    return name;
  }

  /** Appends a node and returns the name of its output, which is also the node's name. */
  node(
    name: string,
    opType: string,
    input: readonly string[],
    attributes: Attributes = {},
    output: readonly string[] = [name],
  ): string {
    this.#graph.node.push(Object.assign(node(opType, input, output, attributes), { name }));
    return output.find((candidate) => candidate !== '') ?? name;
  }

  /** input x weight + bias over the last axis. */
  linear(name: string, input: string, inputs: number, outputs: number, seed = this.#seed): string {
    const weight = this.matrix(`${name}.weight`, [inputs, outputs], inputs, seed);
    const product = this.node(`${name}.matmul`, 'MatMul', [input, weight]);
    return this.node(name, 'Add', [product, this.bias(`${name}.bias`, outputs, seed)]);
  }

  output(name: string, dims: readonly Dimension[]): void {
    this.#graph.output.push(valueInfo(name, TensorType.FLOAT, dims));
  }

  finish(): ModelDefinition {
    return {
      name: this.#graph.name,
      graph: this.#graph,
      inputs: this.#inputs,
      weights: [...this.#weights.values()],
      constants: this.#constants,
    };
  }
}
