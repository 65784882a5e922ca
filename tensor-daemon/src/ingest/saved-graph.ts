/** Mends what onnxruntime leaves when it saves an optimized model: what it says twice, and inputs without a use. */
import {
  bodiesOf,
  graphsOf,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from '@tetris/onnx-format/messages';

/** From this version of the format on, an initializer that is also an input of its graph can be overridden. */
const IR_WITH_OVERRIDABLE = 4n;

/**
 * Mends every graph of a model in place.
 *
 * @param inputNames the inputs that the original has to be fed with
 * @throws RangeError where an input has lost its initializer that the original lets callers override; where a sub-graph
 *   has an initializer by the name of a value outside of it: what onnxruntime computes then depends on what it packs
 */
export function mendSavedGraph(model: ModelProto, inputNames: readonly string[]): void {
  for (const graph of graphsOf(model)) dropRepeated(graph);
  if (model.graph === undefined) return;
  dropLeftInputs(model.graph, model.irVersion, new Set(inputNames));
  refuseHidden(model.graph, new Set());
}

/** @param outer names of the values that the graph can see */
function refuseHidden(graph: GraphProto, outer: ReadonlySet<string>): void {
  const hidden = graph.initializer.find(({ name }) => outer.has(name));
  if (hidden !== undefined) {
    throw new RangeError(`initializer '${hidden.name}' of a sub-graph hides a value outside of it`);
  }
  const visible = new Set([...outer, ...definedIn({ ...graph, node: [] })]);
  for (const node of graph.node) {
    for (const body of bodiesOf(node)) refuseHidden(body, visible);
    for (const name of node.output) visible.add(name);
  }
}

/** The values that a graph itself gives a name to. */
export function definedIn({ input, initializer, sparseInitializer, node }: GraphProto): string[] {
  return [
    ...input.map(({ name }) => name),
    ...initializer.map(({ name }) => name),
    ...sparseInitializer.map(({ values }) => values?.name ?? ''),
    ...node.flatMap(({ output }) => output),
  ];
}

/**
 * An initializer of a sub-graph is saved inline and again as external data: the later one counts. Deeper down the node
 * of a constant is saved beside the initializer that it has become.
 */
function dropRepeated(graph: GraphProto): void {
  const tensors = new Map<string, TensorProto>(graph.initializer.map((tensor) => [tensor.name, tensor]));
  graph.initializer = [...tensors.values()];
  graph.node = graph.node.filter((node) => !(isConstant(node) && tensors.has(node.output[0] ?? '')));
}

function isConstant({ opType, domain }: NodeProto): boolean {
  return opType === 'Constant' && (domain === '' || domain === 'ai.onnx');
}

/**
 * Up to version 3 of the format every initializer is listed among the inputs, and stays there when the optimizer folds
 * or merges it: callers would be asked for it.
 */
function dropLeftInputs(graph: GraphProto, irVersion: bigint, wanted: ReadonlySet<string>): void {
  const given = new Set(graph.initializer.map(({ name }) => name));
  const isLeft = ({ name }: { name: string }): boolean => !wanted.has(name) && !given.has(name);
  const left = graph.input.find(isLeft);
  if (left !== undefined && irVersion >= IR_WITH_OVERRIDABLE) {
    throw new RangeError(`initializer '${left.name}', which callers may override, is gone`);
  }
  graph.input = graph.input.filter((input) => !isLeft(input));
}
