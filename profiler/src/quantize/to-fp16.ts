/**
 * Weights stored as float16, and cast to float32 before they are used: CPUs of today compute in float32. The file, and
 * what is fetched, is half as large. Memory is not: onnxruntime does the casts of constants once, when it optimizes the
 * model, and keeps what comes out. Of tables that rows are picked from (Gather) only the rows are cast, so these
 * stay half as large.
 */
import { Float16Array } from '@petamoriken/float16';
import { graphsOf, type ModelProto, type NodeProto, type TensorProto, TensorType } from '@tetris/onnx-format/messages';
import { type Converted, GraphEditor, int, operatorSet, unconverted, usesOf } from './graph-editor';
import { floatsOf, hasHeavyBody, sizeOf } from './weights';

/** The first operator set whose Cast names its type by a number. */
const OPSET_MIN = 6n;

/** The largest number of the format. */
const LARGEST = 65_504;

const TO_FLOAT = { attribute: [int('to', TensorType.FLOAT)] };

/** Converts a model whose tensors are all inside it. */
export function toFp16(model: ModelProto): Converted {
  const opset = operatorSet(model);
  if (model.graph === undefined || opset < OPSET_MIN) {
    return unconverted(model, `it is written in operator set ${opset}; fp16 needs ${OPSET_MIN}`);
  }
  const editor = new GraphEditor(model, model.graph);
  const halves = new Map([...editor.weights].flatMap(([name, weight]) => addHalf(editor, name, weight)));
  const others = model.graph.node.filter((node) => !picksRows(node));
  const readWhole = usesOf([{ ...model.graph, node: others }, ...graphsOf(model).slice(1)]);
  // The cast makes the value that was the weight: whatever reads it, in sub-graphs too, reads on.
  for (const [name, half] of halves) if (readWhole.has(name)) editor.node('Cast', [half], [name], name, TO_FLOAT);
  for (const node of model.graph.node) {
    const half = halves.get(node.input[0] ?? '');
    if (half !== undefined && picksRows(node)) pickRows(editor, node, half);
    else editor.keep(node);
    if (hasHeavyBody(node)) editor.skip(node.opType, 'sub-graphs are left alone');
  }
  return { model: editor.finish(), report: editor.report };
}

const picksRows = ({ opType, domain }: NodeProto): boolean => opType === 'Gather' && domain === '';

function addHalf(editor: GraphEditor, name: string, weight: TensorProto): [string, string][] {
  const numbers = floatsOf(weight);
  const isHeld = numbers.length === sizeOf(weight) && numbers.every((value) => Math.abs(value) <= LARGEST);
  if (!isHeld) {
    editor.skip('weight', 'float16 does not hold its numbers');
    return [];
  }
  const { buffer } = new Float16Array(numbers);
  const half = editor.fresh(name, 'fp16');
  editor.tensor(half, TensorType.FLOAT16, weight.dims.map(Number), new Uint8Array(buffer));
  editor.replace(weight, numbers.byteLength, buffer.byteLength);
  editor.report.replaced += 1;
  return [[name, half]];
}

function pickRows(editor: GraphEditor, node: NodeProto, half: string): void {
  const [output = ''] = node.output;
  const picked = editor.fresh(output, 'fp16');
  editor.keep({ ...node, input: [half, ...node.input.slice(1)], output: [picked] });
  editor.node('Cast', [picked], [output], node.name, TO_FLOAT);
}
