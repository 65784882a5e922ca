import { create } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from '@tetris/onnx-format/messages';
import { mendSavedGraph } from '../../../tensor-daemon/src/ingest/saved-graph';

const tensor = (name: string, byte: number): TensorProto =>
  create(TensorProtoSchema, { name, dataType: 1, rawData: Uint8Array.of(byte) });
const inputs = (...names: string[]) => names.map((name) => ({ name })) as never;
const modelOf = (irVersion: bigint, parts: Partial<GraphProto>): ModelProto =>
  create(ModelProtoSchema, { irVersion, graph: create(GraphProtoSchema, parts as never) });
const namesOf = (values: readonly { name: string }[] | undefined): string[] => (values ?? []).map(({ name }) => name);

describe('mendSavedGraph', () => {
  it.each([3n, 4n, 9n])('lets the later of two initializers of one name count (version %s)', (version) => {
    const model = modelOf(version, { initializer: [tensor('w', 1), tensor('w', 2)] });
    mendSavedGraph(model, []);
    expect(model.graph?.initializer.map(({ rawData }) => [...rawData])).toEqual([[2]]);
  });

  it('drops the node of a constant that is saved as an initializer too, in whatever graph', () => {
    const constant = (name: string) => create(NodeProtoSchema, { opType: 'Constant', output: [name] });
    const body = create(GraphProtoSchema, {
      node: [constant('k'), constant('other'), create(NodeProtoSchema, { opType: 'Mul', output: ['w'] })],
      initializer: [tensor('k', 1), tensor('w', 1)],
    });
    const attribute = [create(AttributeProtoSchema, { name: 'body', g: body })];
    const model = modelOf(9n, { node: [create(NodeProtoSchema, { opType: 'If', attribute })] });
    mendSavedGraph(model, []);
    expect(body.node.map(({ output }) => output[0])).toEqual(['other', 'w']);
  });

  it('drops inputs that have lost their initializer, and keeps those that the original asks for', () => {
    const model = modelOf(3n, { input: inputs('x', 'a', 'b', 'unused'), initializer: [tensor('a', 1)] });
    mendSavedGraph(model, ['x', 'unused']);
    expect(namesOf(model.graph?.input)).toEqual(['x', 'a', 'unused']);
  });

  it('keeps initializers that callers may override', () => {
    const model = modelOf(4n, { input: inputs('x', 'a'), initializer: [tensor('a', 1)] });
    mendSavedGraph(model, ['x']);
    expect(namesOf(model.graph?.input)).toEqual(['x', 'a']);
  });

  it('bad call: a tensor of a sub-graph by the name of a value outside of it, however deep', () => {
    const carrier = (body: GraphProto, output: string) =>
      create(NodeProtoSchema, {
        opType: 'If',
        attribute: [create(AttributeProtoSchema, { g: body })],
        output: [output],
      });
    const inner = create(GraphProtoSchema, { initializer: [tensor('w', 1)] });
    const outer = create(GraphProtoSchema, { node: [carrier(inner, 'inner')] });
    const twice = (): ModelProto =>
      modelOf(9n, { node: [carrier(outer, 'outer'), carrier(outer, 'again')], initializer: [tensor('v', 1)] });
    expect(() => mendSavedGraph(twice(), [])).not.toThrow();
    const hidden = twice();
    hidden.graph?.initializer.push(tensor('w', 2));
    expect(() => mendSavedGraph(hidden, [])).toThrow(/'w'.*hides/);
  });

  it('lets an input of a sub-graph hide a value outside of it', () => {
    const body = create(GraphProtoSchema, { input: inputs('w') });
    const attribute = [create(AttributeProtoSchema, { g: body })];
    const loop = create(NodeProtoSchema, { opType: 'Loop', attribute });
    expect(() => mendSavedGraph(modelOf(9n, { node: [loop], initializer: [tensor('w', 1)] }), [])).not.toThrow();
  });

  it('bad call: one of those has lost its value', () => {
    const model = modelOf(4n, { input: inputs('x', 'a') });
    expect(() => mendSavedGraph(model, ['x'])).toThrow(/'a'/);
  });
});
