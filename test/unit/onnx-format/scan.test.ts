import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
} from '@tetris/onnx-format/messages';
import { fileSource, memorySource, type ModelScan, scanModel } from '@tetris/onnx-format';
import { tmpfsFolder } from '../../support/daemon';

const folder = tmpfsFolder('tetris-locations-');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As a file and from memory: both must say the same. */
async function scanOf(bytes: Uint8Array): Promise<ModelScan> {
  const path = join(folder, 'model');
  writeFileSync(path, bytes);
  const file = openSync(path, 'r');
  try {
    const scan = await scanModel(fileSource(file, bytes.length));
    expect(await scanModel(memorySource(bytes))).toEqual(scan);
    return scan;
  } finally {
    closeSync(file);
  }
}

async function locationsOf(bytes: Uint8Array): Promise<string[]> {
  const scan = await scanOf(bytes);
  if (scan.format !== 'onnx') throw new Error(JSON.stringify(scan));
  return scan.locations;
}

/** A length-delimited field of protobuf. */
function field(number: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest >= 128 ? (rest % 128) + 128 : rest);
    if (rest < 128) return Buffer.from(bytes);
  }
}

/** A model whose graph has one tensor with these fields. */
function modelWith(...tensor: Buffer[]): Buffer {
  return field(7, field(5, Buffer.concat(tensor)));
}

const external = (location: string) =>
  create(TensorProtoSchema, {
    name: location,
    externalData: [
      { key: 'offset', value: '0' },
      { key: 'location', value: location },
    ],
  });

describe('scanModel', () => {
  it('finds each location once, in initializers, attributes, sparse tensors, sub-graphs and functions', async () => {
    const graph = (init: MessageInitShape<typeof GraphProtoSchema>): GraphProto => create(GraphProtoSchema, init);
    const attribute = (init: Parameters<typeof create<typeof AttributeProtoSchema>>[1]) =>
      create(AttributeProtoSchema, init);
    const model = create(ModelProtoSchema, {
      graph: graph({
        initializer: [external('top'), external('top')],
        sparseInitializer: [{ values: external('sparse.values'), indices: external('sparse.indices') }] as never,
        node: [
          { attribute: [attribute({ t: external('attribute') }), attribute({ tensors: [external('attributes')] })] },
          { attribute: [attribute({ g: graph({ initializer: [external('body')] }) })] },
          { attribute: [attribute({ graphs: [graph({ initializer: [external('bodies')] })] })] },
        ] as never,
      }),
    });
    const functions = field(25, field(7, field(5, field(5, toBinary(TensorProtoSchema, external('function'))))));
    const defaults = field(25, field(11, field(5, toBinary(TensorProtoSchema, external('default')))));
    const training = field(20, field(1, field(5, toBinary(TensorProtoSchema, external('training')))));
    const bytes = Buffer.concat([toBinary(ModelProtoSchema, model), functions, defaults, training]);
    expect((await locationsOf(bytes)).sort()).toEqual(
      [
        ...['attribute', 'attributes', 'bodies', 'body', 'default', 'function'],
        ...['sparse.indices', 'sparse.values', 'top', 'training'],
      ].sort(),
    );
  });

  it('reads entries as parsers do: in any order, the last of repeated fields, an absent value as empty', async () => {
    const entry = (...fields: Buffer[]): Buffer => field(13, Buffer.concat(fields));
    const [key, value] = [field(1, 'location'), field(2, 'weights.bin')];
    expect(await locationsOf(modelWith(entry(value, key)))).toEqual(['weights.bin']);
    expect(await locationsOf(modelWith(entry(field(1, 'offset'), value, key)))).toEqual(['weights.bin']);
    expect(await locationsOf(modelWith(entry(key, field(2, 'first'), value)))).toEqual(['weights.bin']);
    expect(await locationsOf(modelWith(entry(key)))).toEqual(['']);
    expect(await locationsOf(modelWith(entry(key, value, field(1, 'checksum'))))).toEqual([]);
  });

  it('skips unknown fields of every wire type', async () => {
    const unknown = Buffer.concat([
      ...[varint(100 * 8), varint(2 ** 40)],
      ...[varint(101 * 8 + 1), Buffer.alloc(8)],
      ...[varint(102 * 8 + 5), Buffer.alloc(4)],
      field(103, 'anything'),
    ]);
    const tensor = modelWith(unknown, toBinaryEntry('a'), unknown);
    expect(await locationsOf(Buffer.concat([unknown, tensor, unknown]))).toEqual(['a']);
  });

  it('bad call: what is no model, cut short, or read differently by parsers', async () => {
    const good = modelWith(toBinaryEntry('a'));
    const overlong = Buffer.concat([Buffer.from([0xba, 0x80, 0x80, 0x80, 0x10]), field(5, 'x').subarray(1)]);
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(100),
      Buffer.from('text'),
      good.subarray(0, good.length - 1),
      Buffer.concat([good, Buffer.from([0x80])]),
      Buffer.concat([good, Buffer.from([7 * 8 + 3])]),
      Buffer.concat([good, overlong]),
      field(1, 'no graph'),
    ]) {
      expect(await scanOf(bytes)).toMatchObject({ format: 'unknown' });
    }
  });

  it('bad call: graphs within graphs without end, or more files than anybody has', async () => {
    let nested: Buffer = field(5, toBinaryEntry('deep'));
    for (let depth = 0; depth < 200; depth++) nested = field(1, field(5, field(6, nested)));
    const detail = expect.stringMatching(/nested deeper/);
    expect(await scanOf(field(7, nested))).toEqual({ format: 'excessive', detail });
    const many = Array.from({ length: 70_000 }, (_, index) => field(5, toBinaryEntry(`file-${index}`)));
    expect(await scanOf(field(7, Buffer.concat(many)))).toMatchObject({ format: 'excessive' });
    const long = field(13, Buffer.concat([field(1, 'location'), field(2, 'a'.repeat(5_000))]));
    expect(await scanOf(modelWith(long))).toMatchObject({ format: 'excessive' });
  });

  it("knows onnxruntime's own format by its identifier, and external data of sub-graphs", async () => {
    expect(await scanOf(Buffer.from([24, 0, 0, 0, ...Buffer.from('ORTM'), 0, 0]))).toEqual({ format: 'ort' });
    const top = field(5, toBinaryEntry('a'));
    expect(await scanOf(field(7, top))).toEqual({ format: 'onnx', locations: ['a'], nestedExternal: false });
    const body = field(1, field(5, field(6, top)));
    expect(await scanOf(field(7, body))).toEqual({ format: 'onnx', locations: ['a'], nestedExternal: true });
  });

  it('lets others have their turn while it reads a model of very many fields', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const bytes = Buffer.concat([modelWith(toBinaryEntry('a')), Buffer.alloc(2_000_000, Buffer.from([0x08, 0x01]))]);
    expect(await locationsOf(bytes)).toEqual(['a']);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });
});

/** `external_data {key: "location", value: ...}`, as a field of a tensor. */
function toBinaryEntry(location: string): Buffer {
  return field(13, Buffer.concat([field(1, 'location'), field(2, location)]));
}
