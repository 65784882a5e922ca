/**
 * Moves the large tensors of sub-graphs (bodies of If, Loop, Scan) up into the model's own graph, where the body still
 * sees them as values of an outer scope. Needed because onnxruntime checks nodes that carry a graph with ONNX's own checker, which
 * refuses external data with more than one hard link; initializers of the model's own graph are mapped without it.
 */
import type { GraphProto, NodeProto, TensorProto } from '@tetris/onnx-format/messages';

/** Moves those tensors of `bodies` for which `wanted` holds. A tensor that is an input or output of its body stays. */
export function hoistTensors(
  top: GraphProto,
  bodies: readonly GraphProto[],
  wanted: (tensor: TensorProto) => boolean,
): void {
  const taken = namesOf([top, ...bodies]);
  for (const body of bodies) {
    const bound = new Set([...body.input, ...body.output].map(({ name }) => name));
    const moved = body.initializer.filter((tensor) => !bound.has(tensor.name) && wanted(tensor));
    const names = new Map(moved.map(({ name }) => [name, freshName(name, taken)]));
    body.initializer = body.initializer.filter((tensor) => !moved.includes(tensor));
    for (const tensor of moved) tensor.name = names.get(tensor.name) ?? tensor.name;
    top.initializer.push(...moved);
    if (moved.length > 0) renameUses(body.node, names);
  }
}

/** Two bodies may call different tensors by the same name. */
function freshName(name: string, taken: Set<string>): string {
  let fresh = `${name}__outer`;
  for (let count = 1; taken.has(fresh); count++) fresh = `${name}__outer${count}`;
  taken.add(fresh);
  return fresh;
}

function namesOf(graphs: readonly GraphProto[]): Set<string> {
  return new Set(
    graphs.flatMap(({ node, initializer, input }) => [
      ...node.flatMap((each) => [...each.input, ...each.output]),
      ...initializer.map(({ name }) => name),
      ...input.map(({ name }) => name),
    ]),
  );
}

function renameUses(nodes: readonly NodeProto[], names: ReadonlyMap<string, string>): void {
  for (const node of nodes) {
    node.input = node.input.map((name) => names.get(name) ?? name);
    for (const { g, graphs } of node.attribute) {
      for (const graph of g === undefined ? graphs : [g, ...graphs]) renameUses(graph.node, names);
    }
  }
}
