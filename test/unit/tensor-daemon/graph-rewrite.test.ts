import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { PART_ALIGNMENT, planCuts } from '../../../tensor-daemon/src/ingest/graph-rewrite';
import { formatPacked, parsePacked } from '../../../tensor-daemon/src/ingest/prepacked';
import {
  AttributeProtoSchema,
  DataLocation,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
} from '@tetris/onnx-format/messages';

const DATA = 'optimized.data';

function external(name: string, entries: Record<string, string>): TensorProto {
  const externalData = Object.entries({ location: DATA, ...entries }).map(([key, value]) => ({ key, value }));
  const dataLocation = DataLocation.EXTERNAL;
  return create(TensorProtoSchema, { name, dataType: TensorType.FLOAT, dataLocation, externalData });
}

const inline = (name: string, bytes: number, dataType: number = TensorType.FLOAT): TensorProto =>
  create(TensorProtoSchema, { name, dataType, rawData: new Uint8Array(bytes).fill(1) });

const modelOf = (graph: Partial<GraphProto>) =>
  create(ModelProtoSchema, { graph: create(GraphProtoSchema, graph as never) });

/** A node that carries a graph, as If does. */
function carrier(name: string, body: GraphProto) {
  const attribute = [create(AttributeProtoSchema, { name: 'body', g: body })];
  return create(NodeProtoSchema, { name, opType: 'If', output: [name], attribute });
}

const entriesOf = (tensor: TensorProto | undefined): Record<string, string> =>
  Object.fromEntries((tensor?.externalData ?? []).map(({ key, value }) => [key, value]));

describe('planCuts', () => {
  it('lays raw bytes and packed blobs on pages of their own, and says so in the graph', () => {
    const model = modelOf({
      initializer: [external('w', { offset: '8192', length: '100', prepacked_0: 'MatMul+77|16384;5000;9|32768;7;8' })],
    });
    const [cut, ...rest] = planCuts(model, DATA, 40_000, 4096).cuts;
    expect(rest).toEqual([]);
    expect(cut?.parts).toEqual([
      { offset: 8192, length: 100 },
      { offset: 16_384, length: 5000, checksum: '9' },
      { offset: 32_768, length: 7, checksum: '8' },
    ]);
    expect(cut?.bytes).toBe(3 * PART_ALIGNMENT + 7);
    cut?.place('a'.repeat(64));
    expect(entriesOf(model.graph?.initializer[0])).toEqual({
      location: 'a'.repeat(64),
      offset: '0',
      length: '100',
      prepacked_0: 'MatMul+77|4096;5000;9|12288;7;8',
    });
  });

  it('cuts large tensors out of the graph itself, and leaves small ones and strings in it', () => {
    const model = modelOf({
      initializer: [inline('large', 4096), inline('small', 4095), inline('words', 9000, TensorType.STRING)],
    });
    const { cuts } = planCuts(model, DATA, 0, 4096);
    expect(cuts.map(({ name, bytes }) => [name, bytes])).toEqual([['large', 4096]]);
    cuts[0]?.place('b'.repeat(64));
    const [large] = model.graph?.initializer ?? [];
    expect(large?.rawData).toHaveLength(0);
    expect(large?.dataLocation).toBe(DataLocation.EXTERNAL);
    expect(entriesOf(large)).toEqual({ location: 'b'.repeat(64), offset: '0', length: '4096' });
  });

  it('keeps fields that it does not know, of whatever message', () => {
    const unknown = (no: number) => [{ no, wireType: 2, data: Uint8Array.of(3, 7, 8, 9) }];
    const model = modelOf({ initializer: [inline('w', 4096)], node: [create(NodeProtoSchema, { name: 'n' })] });
    const [tensor] = model.graph?.initializer ?? [];
    const [node] = model.graph?.node ?? [];
    for (const message of [model, model.graph, tensor, node]) if (message) message.$unknown = unknown(9001);
    const read = fromBinary(ModelProtoSchema, toBinary(ModelProtoSchema, model));
    for (const cut of planCuts(read, DATA, 0, 4096).cuts) cut.place('c'.repeat(64));
    const written = fromBinary(ModelProtoSchema, toBinary(ModelProtoSchema, read));
    for (const message of [written, written.graph, written.graph?.initializer[0], written.graph?.node[0]]) {
      expect(message?.$unknown).toEqual(unknown(9001));
    }
  });

  it.each([
    ['ends outside the data file', { offset: '4000', length: '97' }, RangeError],
    ['has no sound offset', { offset: '-1', length: '1' }, RangeError],
    ['has no length', { offset: '0' }, RangeError],
    ['lies in another file', { location: '../../etc/passwd', offset: '0', length: '1' }, RangeError],
    ['has a packed form outside', { offset: '0', length: '1', prepacked_0: 'x|4096;1;1' }, RangeError],
    ['has a packed form that is none', { offset: '0', length: '1', prepacked_0: 'x|1;1' }, RangeError],
  ])('bad call: a tensor that %s', (_what, entries, error) => {
    expect(() => planCuts(modelOf({ initializer: [external('w', entries)] }), DATA, 4096, 4096)).toThrow(error);
  });

  it('leaves out the note of a packed form with an empty place, which onnxruntime would read as the whole file', () => {
    const notes = { prepacked_0: 'QLinearConv+5|4096;0;0|4096;100;0', prepacked_1: 'MatMul+6|8192;7;0' };
    const model = modelOf({ initializer: [external('w', { offset: '0', length: '100', ...notes })] });
    const [cut] = planCuts(model, DATA, 9000, 4096).cuts;
    cut?.place('f'.repeat(64));
    expect(entriesOf(model.graph?.initializer[0])).toEqual({
      location: 'f'.repeat(64),
      offset: '0',
      length: '100',
      prepacked_1: 'MatMul+6|4096;7;0',
    });
    expect(cut?.bytes).toBe(4103);
  });

  it('puts a tensor back into a graph that it cannot leave', () => {
    const inner = create(GraphProtoSchema, { initializer: [external('w', { offset: '8', length: '4' })] });
    const outer = create(GraphProtoSchema, { node: [carrier('n', inner)] });
    const { cuts, inlined } = planCuts(modelOf({ node: [carrier('m', outer)] }), DATA, 12, 4096);
    expect(cuts).toEqual([]);
    expect(inlined.map(({ from }) => from)).toEqual([{ offset: 8, length: 4 }]);
    inlined[0]?.fill(Uint8Array.of(1, 2, 3, 4));
    const [tensor] = inner.initializer;
    expect([...(tensor?.rawData ?? [])]).toEqual([1, 2, 3, 4]);
    expect([tensor?.dataLocation, tensor?.externalData]).toEqual([DataLocation.DEFAULT, []]);
  });

  it('bad call: graphs nested without end', () => {
    let body = create(GraphProtoSchema, { name: 'innermost' });
    for (let depth = 0; depth < 100; depth++) body = create(GraphProtoSchema, { node: [carrier(`n${depth}`, body)] });
    expect(() => planCuts(modelOf(body), DATA, 0, 4096)).toThrow(/nested deeper/);
  });

  it('never lets two parts of a file overlap, whatever their lengths', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(lengths, (blobs) => {
        const note = formatPacked({ id: 'k', blobs: blobs.map((length) => ({ offset: 0, length, checksum: '1' })) });
        const model = modelOf({ initializer: [external('w', { offset: '0', length: '10', prepacked_0: note })] });
        const [cut] = planCuts(model, DATA, 20_000, 4096).cuts;
        cut?.place('d'.repeat(64));
        const placed = parsePacked(entriesOf(model.graph?.initializer[0])['prepacked_0'] ?? '').blobs;
        let end = 10;
        for (const { offset, length } of placed) {
          expect(offset % PART_ALIGNMENT).toBe(0);
          expect(offset).toBeGreaterThanOrEqual(end);
          end = offset + length;
        }
        expect(cut?.bytes).toBe(end);
      }),
    );
  });
});
