/** If, Loop and Scan inside each other, to three levels, with the weights of the innermost in every place there is. */
import {
  type GraphProto,
  type NodeProto,
  type TensorProto,
  TensorType,
  type ValueInfoProto,
} from '@tetris/onnx-format/messages';
import { node, tensor, valueInfo } from '../../models/messages';
import { type CorpusModel, graphOf, modelOf } from './corpus-model';
import { drawn } from './typed-data';

const KINDS = ['if', 'loop', 'scan'] as const;
type Kind = (typeof KINDS)[number];

/**
 * Where the innermost weight is: in the outermost graph, in a node around the body, among the body's own tensors or
 * nodes; or the body has nothing but a constant, and returns it.
 */
const HOLDERS = ['outer', 'enclosing', 'initializer', 'constant', 'returned'] as const;
type Holder = (typeof HOLDERS)[number];

const ROWS = 3;

export function* controlFlowModels(seed: number): Generator<CorpusModel> {
  for (const nest of nests(3)) {
    for (const holder of HOLDERS) {
      // Large enough to be shared, except where there are many of a kind anyway.
      const width = nest.length === 3 ? 6 : 48;
      yield { name: `control-flow/${nest.join('-')}-${holder}`, model: new Nest(nest, holder, width, seed).model() };
    }
  }
}

/** All sequences of kinds up to a length. */
function nests(length: number): Kind[][] {
  if (length === 0) return [];
  const shorter = nests(length - 1);
  const longest = shorter.filter((nest) => nest.length === length - 1);
  const begun = longest.length === 0 ? [[]] : longest;
  return [...shorter, ...begun.flatMap((nest) => KINDS.map((kind) => [...nest, kind]))];
}

/** A model whose value `x` [3, width] goes through bodies within bodies. */
class Nest {
  readonly #kinds: readonly Kind[];
  readonly #holder: Holder;
  readonly #width: number;
  readonly #seed: number;
  readonly #outer: TensorProto[] = [];
  #names = 0;

  constructor(kinds: readonly Kind[], holder: Holder, width: number, seed: number) {
    this.#kinds = kinds;
    this.#holder = holder;
    this.#width = width;
    this.#seed = seed;
  }

  model(): CorpusModel['model'] {
    const nodes = this.#step(this.#kinds, 'x', 'y');
    const shape = [ROWS, this.#width];
    return modelOf({
      nodes,
      inputs: [valueInfo('x', TensorType.FLOAT, shape)],
      outputs: [valueInfo('y', TensorType.FLOAT, shape)],
      initializers: this.#outer,
    });
  }

  /** Nodes that make `to` from `from`. */
  #step([kind, ...inner]: readonly Kind[], from: string, to: string): NodeProto[] {
    const before =
      inner.length === 0 && this.#holder === 'enclosing' ? [this.#constant(this.#weight('enclosing_w'))] : [];
    switch (kind) {
      case 'loop':
        return [...before, ...this.#loop(inner, from, to)];
      case 'scan':
        return [...before, ...this.#scan(inner, from, to)];
      case 'if':
      case undefined:
      default:
        return [...before, ...this.#if(inner, from, to)];
    }
  }

  #if(inner: readonly Kind[], from: string, to: string): NodeProto[] {
    const [sum, zero, positive] = [this.#name('sum'), this.#name('zero'), this.#name('positive')];
    const branch = (): GraphProto => {
      const out = this.#name('out');
      return this.#body(inner, from, out, [], [this.#value(out)]);
    };
    return [
      node('ReduceSum', [from], [sum], { keepdims: 0 }),
      node('Constant', [], [zero], { value: drawn(zero, TensorType.FLOAT, [], 1, [0, 0]) }),
      node('Greater', [sum, zero], [positive]),
      node('If', [positive], [to], { then_branch: branch(), else_branch: branch() }),
    ];
  }

  #loop(inner: readonly Kind[], from: string, to: string): NodeProto[] {
    const [count, go, before, after] = ['count', 'go', 'before', 'after'].map((name) => this.#name(name)) as Four;
    const [rounds, yes] = [this.#name('rounds'), this.#name('yes')];
    const goOn = this.#name('go_on');
    const body = this.#body(
      inner,
      before,
      after,
      [valueInfo(count, TensorType.INT64, []), valueInfo(go, TensorType.BOOL, []), this.#value(before)],
      [valueInfo(goOn, TensorType.BOOL, []), this.#value(after)],
      [node('Identity', [go], [goOn])],
    );
    return [
      node('Constant', [], [rounds], { value: tensor(rounds, TensorType.INT64, [], BigInt64Array.of(2n)) }),
      node('Constant', [], [yes], { value: tensor(yes, TensorType.BOOL, [], Uint8Array.of(1)) }),
      node('Loop', [rounds, yes, from], [to], { body }),
    ];
  }

  /** Over three states of nothing: what counts is the value that is carried along. */
  #scan(inner: readonly Kind[], from: string, to: string): NodeProto[] {
    const [before, element, after, shown] = ['before', 'element', 'after', 'shown'].map((name) =>
      this.#name(name),
    ) as Four;
    const [steps, seen] = [this.#name('steps'), this.#name('seen')];
    const scalar = (name: string): ValueInfoProto => valueInfo(name, TensorType.FLOAT, []);
    const body = this.#body(
      inner,
      before,
      after,
      [this.#value(before), scalar(element)],
      [this.#value(after), scalar(shown)],
      [node('Identity', [element], [shown])],
    );
    return [
      node('Constant', [], [steps], { value: drawn(steps, TensorType.FLOAT, [2], this.#seed) }),
      node('Scan', [from, steps], [to, seen], { body, num_scan_inputs: 1 }),
    ];
  }

  #body(
    inner: readonly Kind[],
    from: string,
    to: string,
    inputs: ValueInfoProto[],
    outputs: ValueInfoProto[],
    more: NodeProto[] = [],
  ): GraphProto {
    if (inner.length > 0) return graphOf({ nodes: [...more, ...this.#step(inner, from, to)], inputs, outputs });
    const { nodes, initializers } = this.#innermost(from, to);
    return graphOf({ nodes: [...more, ...nodes], initializers, inputs, outputs });
  }

  /** A product, scaled and shifted by constants of its own, so that rounds do not grow without bound. */
  #innermost(from: string, to: string): { nodes: NodeProto[]; initializers: TensorProto[] } {
    if (this.#holder === 'returned') {
      const value = drawn(to, TensorType.FLOAT, [ROWS, this.#width], this.#seed);
      return { nodes: [this.#constant(value)], initializers: [] };
    }
    // Bodies call their own weights by the same name, as exporters do.
    const weight = this.#weight({ outer: this.#name('w'), enclosing: 'enclosing_w' }[this.#holder as string] ?? 'w');
    if (this.#holder === 'outer') this.#outer.push(weight);
    const [scale, shift] = ['scale', 'shift'];
    const [product, scaled, shifted] = ['product', 'scaled', 'shifted'].map((value) => this.#name(value)) as Three;
    return {
      nodes: [
        ...(this.#holder === 'constant' ? [this.#constant(weight)] : []),
        this.#constant(drawn(scale, TensorType.FLOAT, [1], this.#seed, [0.5, 1])),
        this.#constant(drawn(shift, TensorType.FLOAT, [], this.#seed)),
        node('MatMul', [from, weight.name], [product]),
        node('Mul', [product, scale], [scaled]),
        node('Add', [scaled, shift], [shifted]),
        node('Tanh', [shifted], [to]),
      ],
      initializers: this.#holder === 'initializer' ? [weight] : [],
    };
  }

  /** Each has its own numbers. */
  #weight(name: string): TensorProto {
    const dims = [this.#width, this.#width];
    return Object.assign(drawn(this.#name('weight'), TensorType.FLOAT, dims, this.#seed, [-0.3, 0.3]), { name });
  }

  #constant(value: TensorProto): NodeProto {
    return node('Constant', [], [value.name], { value });
  }

  #value(name: string): ValueInfoProto {
    return valueInfo(name, TensorType.FLOAT, [ROWS, this.#width]);
  }

  #name(what: string): string {
    return `${what}_${(this.#names += 1)}`;
  }
}

type Three = [string, string, string];
type Four = [string, string, string, string];
