/** What cannot be loaded fails with stock onnxruntime's own error, by path and by bytes, with a daemon and without. */
import { create, toBinary } from '@bufbuild/protobuf';
import { node } from '@tetris/bench';
import {
  DataLocation,
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
} from '@tetris/onnx-format/messages';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestDaemon } from '../support/daemon';
import { eachOf, onStock, probeInstance, type Report } from '../support/probe';
import type { RuntimeProcess } from '../support/runtime';
import { model, UNUSUAL_MODELS, WIDTH } from '../support/unusual-models';

const ROOT = realpathSync(mkdtempSync(path.join(tmpdir(), 'load-errors-')));
const OUTSIDE = realpathSync(mkdtempSync(path.join(tmpdir(), 'load-errors-outside-')));
const daemon = new TestDaemon();
beforeAll(() => daemon.start({ modelRoots: ROOT }));
afterAll(async () => {
  await daemon.dispose();
  for (const folder of [ROOT, OUTSIDE]) rmSync(folder, { recursive: true, force: true });
});

const bytesOf = (proto: ModelProto): Buffer => Buffer.from(toBinary(ModelProtoSchema, proto));

/** y = xW, W in a file; some of `entries` in place of what is right. */
function external(entries: Record<string, string>): ModelProto {
  const all = { location: 'w.bin', offset: '0', length: String(4 * WIDTH * WIDTH), ...entries };
  const weight: TensorProto = create(TensorProtoSchema, {
    name: 'w',
    dataType: TensorType.FLOAT,
    dims: [WIDTH, WIDTH].map(BigInt),
    dataLocation: DataLocation.EXTERNAL,
    externalData: Object.entries(all).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
  });
  return model([node('MatMul', ['x', 'w'], ['y'])], [weight]);
}

function changed(proto: ModelProto, change: (proto: ModelProto) => void): ModelProto {
  change(proto);
  return proto;
}

const good = (): ModelProto => {
  const kind = UNUSUAL_MODELS['If with weights in its branches'];
  if (kind === undefined) throw new Error('there is no such model');
  return kind.make();
};
const identity = (): ModelProto => model([node('Identity', ['x'], ['y'])], []);
const whole = bytesOf(good());

/** Files of models that are no models, or broken ones. */
const BROKEN: Readonly<Record<string, Buffer>> = {
  'text.onnx': Buffer.from('this is no model'),
  'zeros.onnx': Buffer.alloc(1_000),
  'empty.onnx': Buffer.alloc(0),
  ...Object.fromEntries(
    [1, 2, 3, 5, 10, 100].map((part) => [`cut-${part}.onnx`, whole.subarray(0, whole.length - part)]),
  ),
  ...Object.fromEntries(
    [0.1, 0.25, 0.5, 0.75].map((part) => [`cut-at-${part}.onnx`, whole.subarray(0, Math.floor(whole.length * part))]),
  ),
  'trailing.onnx': Buffer.concat([whole, Buffer.from([0xff, 0xff, 0xff])]),
  'no-graph.onnx': bytesOf(create(ModelProtoSchema, { irVersion: 9n })),
  'operator.onnx': bytesOf(model([node('Nonsense', ['x'], ['y'])], [])),
  'operator-in-if.onnx': bytesOf(
    changed(good(), ({ graph }) => {
      for (const each of graph?.node ?? []) each.opType = each.opType === 'If' ? 'If' : `${each.opType}X`;
    }),
  ),
  'domain.onnx': bytesOf(
    changed(identity(), ({ graph }) => {
      for (const each of graph?.node ?? []) each.domain = 'nowhere';
    }),
  ),
  'opset.onnx': bytesOf(changed(identity(), (proto) => proto.opsetImport.forEach((each) => (each.version = 99n)))),
  'no-opset.onnx': bytesOf(changed(identity(), (proto) => (proto.opsetImport = []))),
  'ir.onnx': bytesOf(changed(identity(), (proto) => (proto.irVersion = 99n))),
  'cycle.onnx': bytesOf(model([node('Identity', ['y'], ['z']), node('Identity', ['z'], ['y'])], [])),
  'unknown-input.onnx': bytesOf(model([node('Identity', ['nobody'], ['y'])], [])),
  'twice.onnx': bytesOf(model([node('Identity', ['x'], ['y']), node('Identity', ['x'], ['y'])], [])),
  'short-tensor.onnx': bytesOf(
    model(
      [node('MatMul', ['x', 'w'], ['y'])],
      [
        create(TensorProtoSchema, {
          name: 'w',
          dataType: TensorType.FLOAT,
          dims: [WIDTH, WIDTH].map(BigInt),
          rawData: new Uint8Array(100),
        }),
      ],
    ),
  ),
  'absent-data.onnx': bytesOf(external({ location: 'absent.bin' })),
  'absent-folder.onnx': bytesOf(external({ location: 'nowhere/w.bin' })),
  'short-data.onnx': bytesOf(external({ location: 'short.bin' })),
  'far-data.onnx': bytesOf(external({ offset: '1000000' })),
  'odd-data.onnx': bytesOf(external({ length: '12' })),
  'data-above.onnx': bytesOf(external({ location: '../w.bin' })),
  'data-absolute.onnx': bytesOf(external({ location: '/etc/hostname' })),
  'data-folder.onnx': bytesOf(external({ location: 'folder' })),
  'data-nameless.onnx': bytesOf(external({ location: '' })),
  'data-linked-out.onnx': bytesOf(external({ location: 'out.bin' })),
  'named.ort': whole,
  'cut.ort': Buffer.from([24, 0, 0, 0, ...Buffer.from('ORTM'), 1, 2, 3]),
  'ort.onnx': Buffer.from([24, 0, 0, 0, ...Buffer.from('ORTM'), 1, 2, 3]),
};

/** Paths at which there is no model to be had. */
const ODD_PATHS = ['missing.onnx', 'folder', 'folder/', 'text.onnx/model.onnx', 'loop.onnx', 'a'.repeat(300)];

/** @param folder filled with all of the above */
function fill(folder: string): void {
  mkdirSync(path.join(folder, 'folder'));
  const weights = Buffer.from(new Float32Array(WIDTH * WIDTH).fill(0.5).buffer);
  writeFileSync(path.join(folder, 'w.bin'), weights);
  writeFileSync(path.join(folder, 'short.bin'), 'abc');
  writeFileSync(path.join(OUTSIDE, `${path.basename(folder)}.bin`), weights);
  symlinkSync(path.join(OUTSIDE, `${path.basename(folder)}.bin`), path.join(folder, 'out.bin'));
  symlinkSync('loop.onnx', path.join(folder, 'loop.onnx'));
  for (const [name, bytes] of Object.entries(BROKEN)) writeFileSync(path.join(folder, name), bytes);
}

const registered = path.join(ROOT, 'models');
const unregistered = path.join(OUTSIDE, 'models');
for (const folder of [registered, unregistered]) {
  mkdirSync(folder);
  fill(folder);
}

/** What creating a session from each gave: class, text and code. */
async function errorsOf(run: (argument: object) => Promise<Report>, folder: string): Promise<Record<string, unknown>> {
  const byPath = [...Object.keys(BROKEN), ...ODD_PATHS].map((name) => ({ name, as: 'path' }));
  const all = [...byPath, ...Object.keys(BROKEN).map((name) => ({ name, as: 'buffer' }))];
  const reports = await eachOf(
    run,
    all.map(({ name, as }) => ({ model: path.join(folder, name), as, cwd: folder })),
  );
  const seen = all.map(({ name, as }, index) => [`${name} by ${as}`, reports[index]?.create ?? 'loaded']);
  return Object.fromEntries(seen) as Record<string, unknown>;
}

describe.each([
  ['a registered folder', registered, true],
  ['a folder that the daemon does not know', unregistered, true],
  ['an instance without a daemon', unregistered, false],
])('errors of loading from %s', (_where, folder, withDaemon) => {
  let runtime: RuntimeProcess;
  let probe: (argument: object) => Promise<Report>;
  beforeAll(async () => {
    const env = {
      ...daemon.instanceEnvironment(ROOT),
    };
    ({ runtime, probe } = await probeInstance(withDaemon ? env : {}));
  });
  afterAll(() => runtime.stop());

  it("are stock's, class and text, with the user's own path", async () => {
    const [ours, stock] = [await errorsOf(probe, folder), await errorsOf(onStock, folder)];
    expect(ours).toEqual(stock);
    expect(Object.values(stock).filter((error) => error !== 'loaded').length).toBeGreaterThan(60);
    expect(JSON.stringify(ours)).not.toMatch(/Plugin|ERR_|tetris-daemon|views/);
    expect(runtime.alive).toBe(true);
  });
});
