/**
 * Moves large tensors of sub-graphs (bodies of If, Loop, Scan) up into the model's own graph, where the body still sees
 * them as values of an outer scope. Needed because onnxruntime checks nodes that carry a graph with ONNX's own checker,
 * which refuses external data with more than one hard link; the model's own initializers are mapped without it.
 *
 * Only one step up, and only what nothing further down reads: a kernel packs constants of its own graph and of the next
 * one, so that a weight which is further away would be computed with as it is, to slightly other numbers.
 */
import { create } from '@bufbuild/protobuf';
import {
  bodiesOf,
  type GraphProto,
  graphsOf,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
} from '@tetris/onnx-format/messages';
import { definedIn } from './saved-graph';

/** Moves those tensors for which `wanted` holds, where they may move. @throws RangeError graphs nested too deeply */
export function hoistTensors(model: ModelProto, wanted: (tensor: TensorProto) => boolean): void {
  const [top, ...below] = graphsOf(model);
  if (top === undefined) return;
  const taken = new Set([top, ...below].flatMap(namesIn));
  for (const body of top.node.flatMap(bodiesOf)) {
    const bound = new Set([...body.input.map(({ name }) => name), ...body.node.flatMap(bodiesOf).flatMap(readFrom)]);
    const moved = body.initializer.filter((tensor) => !bound.has(tensor.name) && wanted(tensor));
    if (moved.length > 0) hoist(moved, body, top, taken);
  }
}

function hoist(moved: readonly TensorProto[], body: GraphProto, top: GraphProto, taken: Set<string>): void {
  const names = new Map(moved.map(({ name }) => [name, freshName(name, taken)]));
  body.initializer = body.initializer.filter((tensor) => !moved.includes(tensor));
  for (const node of body.node) node.input = node.input.map((name) => names.get(name) ?? name);
  body.node.unshift(...returned(body, names));
  for (const tensor of moved) tensor.name = names.get(tensor.name) ?? tensor.name;
  top.initializer.push(...moved);
}

/** A body cannot return a value of an outer scope as it is: one that it returns passes through a node. */
function returned(body: GraphProto, names: ReadonlyMap<string, string>): NodeProto[] {
  return body.output.flatMap(({ name }) => {
    const outer = names.get(name);
    return outer === undefined
      ? []
      : [create(NodeProtoSchema, { name: `${outer}_out`, opType: 'Identity', input: [outer], output: [name] })];
  });
}

/** Two bodies may call different tensors by the same name. */
function freshName(name: string, taken: Set<string>): string {
  let fresh = `${name}__outer`;
  for (let count = 1; taken.has(fresh); count++) fresh = `${name}__outer${count}`;
  taken.add(fresh);
  return fresh;
}

function namesIn(graph: GraphProto): string[] {
  return [...definedIn(graph), ...graph.node.flatMap(({ name, input }) => [name, ...input])];
}

/** The values that a body reads from outside, also for bodies further down. */
function readFrom(body: GraphProto): string[] {
  const own = new Set(definedIn(body));
  const read = [
    ...body.node.flatMap(({ input }) => input),
    ...body.node.flatMap(bodiesOf).flatMap(readFrom),
    ...body.output.map(({ name }) => name),
  ];
  return read.filter((name) => !own.has(name));
}
