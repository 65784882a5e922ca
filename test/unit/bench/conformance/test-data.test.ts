import { create, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProtoSchema, TensorType } from '@tetris/onnx-format/messages';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelOf } from '../../../../bench/src/conformance/corpus/corpus-model';
import { readDataSets, wireTensor } from '../../../../bench/src/conformance/test-data';
import { floats, tensor, valueInfo } from '../../../../bench/src/models/messages';

const { FLOAT, STRING, INT8, UINT16, UINT32, UINT64, BOOL, FLOAT16, DOUBLE, INT64 } = TensorType;
const bytes = (view: ArrayBufferView): string =>
  Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('base64');

describe('tensors of test data', () => {
  it.each([
    ['float32', { dataType: FLOAT, floatData: [1.5, -2] }, Float32Array.of(1.5, -2)],
    ['float64', { dataType: DOUBLE, doubleData: [1.5, -2] }, Float64Array.of(1.5, -2)],
    ['int64', { dataType: INT64, int64Data: [1n, -2n] }, BigInt64Array.of(1n, -2n)],
    ['uint64', { dataType: UINT64, uint64Data: [1n, 2n] }, BigUint64Array.of(1n, 2n)],
    ['uint32', { dataType: UINT32, uint64Data: [1n, 2n] }, Uint32Array.of(1, 2)],
    ['int8', { dataType: INT8, int32Data: [1, -2] }, Int8Array.of(1, -2)],
    ['uint16', { dataType: UINT16, int32Data: [1, 60_000] }, Uint16Array.of(1, 60_000)],
    ['float16', { dataType: FLOAT16, int32Data: [15_360, 0] }, Uint16Array.of(15_360, 0)],
    ['bool', { dataType: BOOL, int32Data: [1, 0] }, Uint8Array.of(1, 0)],
  ])('are read from the field of their type: %s', (type, fields, expected) => {
    const wire = wireTensor(create(TensorProtoSchema, { dims: [2n], ...fields }));
    expect(wire).toEqual({ type, dims: [2], data: bytes(expected) });
  });

  it('are read from raw bytes and from texts', () => {
    expect(wireTensor(floats('x', [1], [3]))).toEqual({ type: 'float32', dims: [1], data: bytes(Float32Array.of(3)) });
    expect(wireTensor(tensor('x', STRING, [1], ['Ω']))).toEqual({ type: 'string', dims: [1], texts: ['Ω'] });
  });
});

describe('the data sets of a model', () => {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-data-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('feed the inputs that have no initializer, by name or else in order', async () => {
    const model = modelOf({
      nodes: [],
      inputs: ['w', 'a', 'b'].map((name) => valueInfo(name, FLOAT, [1])),
      outputs: [],
      initializers: [floats('w', [1], [0])],
    });
    writeFileSync(join(folder, 'model.onnx'), toBinary(ModelProtoSchema, model));
    for (const [set, value] of [['test_data_set_0', 1] as const, ['test_data_set_10', 10] as const]) {
      mkdirSync(join(folder, set));
      writeFileSync(join(folder, set, 'input_0.pb'), toBinary(TensorProtoSchema, floats('', [1], [value])));
      writeFileSync(join(folder, set, 'input_1.pb'), toBinary(TensorProtoSchema, floats('b', [1], [2])));
    }
    const sets = await readDataSets(join(folder, 'model.onnx'));
    expect(sets.map((set) => Object.keys(set))).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    expect(sets[1]?.['a']).toMatchObject({ data: bytes(Float32Array.of(10)) });
  });

  it('are one that is drawn where there are none', async () => {
    const input = valueInfo('tokens', INT64, ['batch', 6]);
    const path = join(mkdtempSync(join(folder, 'bare-')), 'bare.onnx');
    writeFileSync(path, toBinary(ModelProtoSchema, modelOf({ nodes: [], inputs: [input], outputs: [] })));
    const [drawn, ...others] = await readDataSets(path);
    expect(drawn?.['tokens']).toMatchObject({ type: 'int64', dims: [1, 6] });
    expect(others).toEqual([]);
  });

  it('are none of what is no model', async () => {
    writeFileSync(join(folder, 'model.onnx'), 'not found');
    expect(await readDataSets(join(folder, 'model.onnx'))).toEqual([]);
  });
});
