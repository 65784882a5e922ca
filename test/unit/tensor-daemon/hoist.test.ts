import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  bodiesOf,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from '@tetris/onnx-format/messages';
import { createHash } from 'node:crypto';
import { hoistTensors } from '../../../tensor-daemon/src/ingest/hoist';
import { mendSavedGraph } from '../../../tensor-daemon/src/ingest/saved-graph';
import { nestedModel } from '../../support/nested-models';
import { randomFrom } from '../../support/random';

const inline = (name: string, bytes: number): TensorProto =>
  create(TensorProtoSchema, { name, dataType: 1, rawData: new Uint8Array(bytes).fill(1) });
const graph = (parts: Partial<GraphProto>): GraphProto => create(GraphProtoSchema, parts as never);
const modelOf = (top: GraphProto): ModelProto => create(ModelProtoSchema, { irVersion: 9n, graph: top });
const use = (input: string, output: string) =>
  create(NodeProtoSchema, { opType: 'MatMul', input: ['x', input], output: [output] });
const carrier = (name: string, body: GraphProto) => {
  const attribute = [create(AttributeProtoSchema, { name: 'body', g: body })];
  return create(NodeProtoSchema, { name, opType: 'If', output: [name], attribute });
};

interface Meaning {
  what: string;
  depth: number;
}

/**
 * What every node of every graph reads and every graph returns, resolved through the scopes: a tensor's content, and
 * how many graphs up it lies, two at most: a kernel packs constants of its own and the next graph.
 */
function meanings(top: GraphProto): string[] {
  const found: string[] = [];
  const visit = (each: GraphProto, outer: ReadonlyMap<string, Meaning>, depth: number): void => {
    const scope = new Map(outer);
    for (const { name, rawData } of each.initializer) {
      scope.set(name, { what: createHash('sha1').update(rawData).digest('hex'), depth });
    }
    const read = (name: string): string => {
      const { what, depth: at } = scope.get(name) ?? { what: name, depth: -1 };
      return `${what} ${at < 0 ? '' : Math.min(2, depth - at)}`;
    };
    for (const node of each.node) {
      for (const name of node.output) scope.delete(name);
      if (node.opType === 'Identity')
        scope.set(node.output[0] ?? '', scope.get(node.input[0] ?? '') ?? { what: '', depth: -1 });
      else found.push(`${node.opType} ${node.output.join()}: ${node.input.map((name) => read(name)).join()}`);
      for (const body of bodiesOf(node)) visit(body, scope, depth + 1);
    }
    found.push(`returns ${each.output.map(({ name }) => scope.get(name)?.what ?? name).join()}`);
  };
  visit(top, new Map(), 0);
  return found;
}

/** Those of depth 0 and 1 are the same to a kernel. */
const near = (lines: string[]): string[] => lines.map((line) => line.replace(/ [01](?=,|$)/g, ' near'));

describe('hoistTensors', () => {
  const seeds = Array.from({ length: 300 }, (_, index) => index + 1);

  it('leaves every node with the tensors that it had, and none further away than a kernel packs', () => {
    let moved = 0;
    for (const seed of seeds) {
      const model = nestedModel(randomFrom(seed * 7919));
      // As a saved model is: constants have become initializers.
      asSaved(model.graph);
      const before = near(meanings(model.graph ?? graph({})));
      const tensors = model.graph?.initializer.length ?? 0;
      hoistTensors(model, ({ rawData }) => rawData.length > 100);
      expect({ seed, after: near(meanings(model.graph ?? graph({}))) }).toEqual({ seed, after: before });
      expect(() => toBinary(ModelProtoSchema, model)).not.toThrow();
      moved += (model.graph?.initializer.length ?? 0) - tensors;
    }
    expect(moved).toBeGreaterThan(seeds.length / 4);
  });

  it('moves tensors of bodies up under names of their own', () => {
    const one = graph({ initializer: [inline('w', 1)], node: [use('w', 'a')] });
    const two = graph({ initializer: [inline('w', 2)], node: [use('w', 'b')] });
    const model = modelOf(
      graph({ node: [carrier('one', one), carrier('two', two)], initializer: [inline('w__outer', 3)] }),
    );
    hoistTensors(model, () => true);
    const names = model.graph?.initializer.map(({ name }) => name) ?? [];
    expect(new Set(names).size).toBe(3);
    expect(one.initializer).toEqual([]);
    expect(one.node[0]?.input[1]).not.toBe(two.node[0]?.input[1]);
    for (const body of [one, two]) expect(names).toContain(body.node[0]?.input[1]);
  });

  it('moves a tensor that its body returns, which then passes through a node', () => {
    const body = graph({ initializer: [inline('w', 9)], output: [{ name: 'w' }] as never });
    const model = modelOf(graph({ node: [carrier('n', body)] }));
    hoistTensors(model, () => true);
    expect(model.graph?.initializer.map(({ name }) => name)).toEqual(['w__outer']);
    expect(body.node.map(({ opType, input, output }) => [opType, input, output])).toEqual([
      ['Identity', ['w__outer'], ['w']],
    ]);
  });

  it('leaves an input of its body, what a body further down reads, what lies deeper, and what is not wanted', () => {
    const deepest = graph({ initializer: [inline('deep', 9)], node: [use('deep', 'd'), use('read', 'r')] });
    const input = [{ name: 'bound' }] as never;
    const tensors = [inline('bound', 9), inline('read', 9), inline('small', 1), inline('free', 9)];
    const body = graph({ initializer: tensors, input, node: [carrier('n', deepest), use('free', 'f')] });
    const model = modelOf(graph({ node: [carrier('m', body)] }));
    hoistTensors(model, ({ rawData }) => rawData.length > 5);
    expect(body.initializer.map(({ name }) => name)).toEqual(['bound', 'read', 'small']);
    expect(deepest.initializer.map(({ name }) => name)).toEqual(['deep']);
    expect(model.graph?.initializer.map(({ name }) => name)).toEqual(['free__outer']);
  });
});

/** Turns constants into initializers, and leaves some of their nodes too, as onnxruntime does in nested graphs. */
function asSaved(top: GraphProto | undefined): void {
  if (top === undefined) return;
  const model = modelOf(top);
  const visit = (each: GraphProto, depth: number): void => {
    for (const node of each.node) bodiesOf(node).forEach((body) => visit(body, depth + 1));
    for (const { opType, output, attribute } of each.node) {
      const tensor = attribute[0]?.t;
      if (opType === 'Constant' && tensor !== undefined) {
        each.initializer.push(create(TensorProtoSchema, { ...tensor, name: output[0] ?? '' }));
      }
    }
  };
  visit(top, 0);
  mendSavedGraph(model, ['x']);
}
