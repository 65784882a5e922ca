/** Models of graphs within graphs, made at random: names that bodies share, hide, and read from outside. */
import { node, tensor, valueInfo } from '@tetris/bench';
import {
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  TensorType,
} from '@tetris/onnx-format/messages';
import { body, matrix, model, row, scalar, truth, whole } from './unusual-models';

const DEPTH_MAX = 3;

/** What a graph is made of, from the value it reads to the one that it returns. */
interface Made {
  node: NodeProto[];
  initializer: TensorProto[];
}

/**
 * From `x` to `y`, both [batch, 64].
 *
 * @param random whole numbers from 0 to below its argument
 * @param hides whether a weight of a body may have the name of one outside of it, which ONNX forbids
 */
export function nestedModel(random: (below: number) => number, { hides = false } = {}): ModelProto {
  let count = 0;
  const fresh = (kind: string): string => `${kind}${(count += 1)}`;

  /**
   * A weight of its own, by a name that other graphs have too, as an initializer or as a node; one that hides another
   * must be an initializer.
   */
  const weight = (name: string, hidesOther: boolean, made: Made): void => {
    const value = matrix(name, (count += 1));
    if (random(2) === 0 || hidesOther) made.initializer.push(value);
    else made.node.push(node('Constant', [], [name], { value }));
  };

  const step = (from: string, to: string, depth: number, visible: readonly string[]): NodeProto[] => {
    const kind = depth === DEPTH_MAX ? 0 : random(4);
    if (kind === 1) return branch(from, to, depth, visible);
    if (kind === 2) return [node('Loop', ['two', 'yes', from], [to], { body: round(depth + 1, visible) })];
    const product = fresh('product');
    const name = visible[random(visible.length)] ?? '';
    return [node('MatMul', [from, name], [product]), node('Tanh', [product], [to])];
  };

  const branch = (from: string, to: string, depth: number, visible: readonly string[]): NodeProto[] => {
    const [sum, positive] = [fresh('sum'), fresh('positive')];
    const arm = (): GraphProto => {
      const result = fresh('arm');
      const made = steps(from, result, depth + 1, visible);
      return body(result, { input: [], output: [row(result)], ...made });
    };
    return [
      node('ReduceSum', [from], [sum], { keepdims: 0 }),
      node('Greater', [sum, 'zero'], [positive]),
      node('If', [positive], [to], { then_branch: arm(), else_branch: arm() }),
    ];
  };

  const round = (depth: number, visible: readonly string[]): GraphProto => {
    const [index, go, before] = [fresh('index'), fresh('go'), fresh('before')];
    const [goOn, after] = [fresh('goOn'), fresh('after')];
    const made = steps(before, after, depth, visible);
    return body(fresh('round'), {
      input: [valueInfo(index, TensorType.INT64, []), truth(go), row(before)],
      output: [truth(goOn), row(after)],
      node: [node('Identity', [go], [goOn]), ...made.node],
      initializer: made.initializer,
    });
  };

  /** One to three steps, with up to two weights of the graph's own. */
  const steps = (from: string, to: string, depth: number, outer: readonly string[]): Made => {
    const made: Made = { node: [], initializer: [] };
    const own = new Set(
      Array.from({ length: depth === 0 ? 1 : random(3) }, () => ['w', 'v', `k${depth}`][random(3)] ?? 'w'),
    );
    for (const name of own) if (hides || !outer.includes(name)) weight(name, outer.includes(name), made);
    const visible = [...new Set([...outer, ...own])];
    let at = from;
    for (let left = 1 + random(3); left > 0; left--) {
      const next = left === 1 ? to : fresh('value');
      made.node.push(...step(at, next, depth, visible));
      at = next;
    }
    return made;
  };

  const { node: nodes, initializer } = steps('x', 'y', 0, []);
  const yes = tensor('yes', TensorType.BOOL, [], Uint8Array.of(1));
  return model(nodes, [...initializer, whole('two', 2), yes, scalar('zero', 0)]);
}
