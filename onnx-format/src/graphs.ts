import type { GraphProto, ModelProto, NodeProto } from './proto/onnx_pb';

/** Depth of graphs within graphs (If in Loop in If...). */
const DEPTH_MAX = 64;

/**
 * Every graph of a model: its own first, then those in the attributes of nodes. @throws RangeError nested too deeply
 */
export function graphsOf(model: ModelProto): GraphProto[] {
  if (model.graph === undefined) return [];
  const found = [model.graph];
  const visit = (nodes: NodeProto[], depth: number): void => {
    if (depth > DEPTH_MAX) throw new RangeError(`graphs are nested deeper than ${DEPTH_MAX}`);
    for (const graph of nodes.flatMap(bodiesOf)) {
      found.push(graph);
      visit(graph.node, depth + 1);
    }
  };
  visit(model.graph.node, 0);
  return found;
}

/** The graphs in the attributes of a node: the bodies of If, Loop and Scan. */
export function bodiesOf(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]));
}
