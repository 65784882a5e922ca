/**
 * Models wherever stock onnxruntime finds them, with their external data: the same answers, and whether they are
 * shared.
 */
import { feedsOf } from '@tetris/bench';
import type { ModelProto } from '@tetris/onnx-format/messages';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { TestDaemon } from '../support/daemon';
import { withExternalData } from '../support/external-models';
import { expectClose, onStock, probeFeeds, probeInstance, type Report } from '../support/probe';
import type { RuntimeProcess } from '../support/runtime';
import { manyTensors, UNUSUAL_MODELS, writeModelProto } from '../support/unusual-models';
import { until } from '../support/until';

const root = realpathSync(mkdtempSync(path.join(tmpdir(), 'sources-registered-')));
const elsewhere = realpathSync(mkdtempSync(path.join(tmpdir(), 'sources-elsewhere-')));
const daemon = new TestDaemon();
let runtime: RuntimeProcess;
let probe: (argument: object) => Promise<Report>;

beforeAll(async () => {
  await daemon.start({ modelRoots: root, tensorBytesMin: 256 });
  ({ runtime, probe } = await probeInstance({
    ...daemon.instanceEnvironment(root),
  }));
});
afterAll(async () => {
  await runtime.stop();
  await daemon.dispose();
  for (const folder of [root, elsewhere]) rmSync(folder, { recursive: true, force: true });
});

const feeds = feedsOf([{ name: 'x', type: 'float32', dims: ['batch', 64], bound: 1 }], 3, 1);
const calls = [{ feeds: probeFeeds(feeds) }];

/** Runs a model here and on stock onnxruntime, which loads it. @returns whether it was shared */
async function compare(argument: { model: string; as?: string; cwd?: string; options?: object }): Promise<boolean> {
  const [actual, expected] = [
    await probe({ ...argument, calls, keep: true }),
    await onStock({ ...argument, calls, keep: true }),
  ];
  expect(expected.create).toBeUndefined();
  expect(actual.create).toBeUndefined();
  expectClose(actual, expected);
  const leases = await daemon.operator.leases();
  return leases.some(({ name }) => name === argument.model || argument.as !== undefined);
}

/** Nothing of an earlier test is held, or could be taken for this one's. */
beforeEach(async () => {
  await runtime.stop();
  ({ runtime, probe } = await probeInstance({
    ...daemon.instanceEnvironment(root),
  }));
  await until(async () => (await daemon.operator.leases()).length === 0, 'no lease is held');
});

const kind = (name: string): ModelProto => {
  const found = UNUSUAL_MODELS[name];
  if (found === undefined) throw new Error(`there is no model '${name}'`);
  return found.make();
};
const branches = (): ModelProto => kind('If with weights in its branches');

let folders = 0;
const newFolder = (base: string): string => {
  const folder = path.join(base, `case-${++folders}`);
  mkdirSync(folder);
  return folder;
};

/** Each lays a model out in a folder. @returns its path */
const LAYOUTS: Readonly<Record<string, (folder: string) => string>> = {
  'a sub-folder': (folder) => {
    const model = path.join(folder, 'model.onnx');
    writeFileSync(
      model,
      withExternalData(kind('int8, static (QDQ)'), folder, (index) => `weights/w${index}.bin`),
    );
    return model;
  },
  'a location with a dot': (folder) => {
    const model = path.join(folder, 'model.onnx');
    writeFileSync(
      model,
      withExternalData(kind('int8, dynamic'), folder, (index) => `./w${index}.bin`),
    );
    return model;
  },
  'names that are not ASCII': (folder) => {
    const model = path.join(folder, 'modèle.onnx');
    writeFileSync(
      model,
      withExternalData(kind('fp16'), folder, (index) => `poids été/ß${index}.bin`),
    );
    return model;
  },
  'a data file that is a link': (folder) => {
    const model = path.join(folder, 'model.onnx');
    writeFileSync(
      model,
      withExternalData(kind('bf16'), folder, () => 'w.bin'),
    );
    renameSync(path.join(folder, 'w.bin'), path.join(folder, 'real.bin'));
    symlinkSync('real.bin', path.join(folder, 'w.bin'));
    return model;
  },
  'the cache of Hugging Face': (folder) => {
    const [blobs, snapshot] = [path.join(folder, 'blobs'), path.join(folder, 'snapshots', 'r1', 'onnx')];
    for (const each of [blobs, snapshot]) mkdirSync(each, { recursive: true });
    writeFileSync(
      path.join(blobs, 'a'),
      withExternalData(manyTensors(2), blobs, (index) => `model.onnx_data${index}`),
    );
    symlinkSync('../../../blobs/a', path.join(snapshot, 'model.onnx'));
    for (const index of [0, 1]) {
      renameSync(path.join(blobs, `model.onnx_data${index}`), path.join(blobs, `b${index}`));
      symlinkSync(`../../../blobs/b${index}`, path.join(snapshot, `model.onnx_data${index}`));
    }
    return path.join(snapshot, 'model.onnx');
  },
  'a folder that is a link': (folder) => {
    const real = path.join(folder, 'real');
    mkdirSync(real);
    writeFileSync(
      path.join(real, 'model.onnx'),
      withExternalData(manyTensors(3), real, (index) => `w${index}.bin`),
    );
    symlinkSync('real', path.join(folder, 'link'));
    return path.join(folder, 'link', 'model.onnx');
  },
  'branches with external tensors': (folder) => {
    const model = path.join(folder, 'model.onnx');
    writeFileSync(
      model,
      withExternalData(branches(), folder, (index) => `w${index}.bin`),
    );
    return model;
  },
  '500 external files': (folder) => {
    const model = path.join(folder, 'model.onnx');
    writeFileSync(
      model,
      withExternalData(manyTensors(500), folder, (index) => `weights/w${index}.bin`),
    );
    return model;
  },
};

describe.each([
  ['a registered folder', root],
  ['a folder that the daemon does not know', elsewhere],
])('external data is read from the graph, in %s', (_where, base) => {
  it.each(Object.entries(LAYOUTS))('%s', async (_name, layOut) => {
    expect(await compare({ model: layOut(newFolder(base)) })).toBe(true);
  });
});

describe('a model given as bytes', () => {
  it.each(['a sub-folder', 'branches with external tensors'])(
    'has its external data in the working folder: %s',
    async (name) => {
      const folder = newFolder(elsewhere);
      const model = LAYOUTS[name]?.(folder) ?? '';
      expect(await compare({ model, as: 'buffer', cwd: folder })).toBe(true);
    },
  );
});

describe('a path', () => {
  it("may be relative, and lead through the action's own links", async () => {
    const folder = newFolder(elsewhere);
    writeModelProto(path.join(folder, 'model.onnx'), kind('int8, dynamic'));
    expect(await compare({ model: './model.onnx', cwd: folder })).toBe(true);
  });

  it('may be a link into a registered folder', async () => {
    const [folder, registered] = [newFolder(elsewhere), newFolder(root)];
    writeModelProto(path.join(registered, 'model.onnx'), kind('int8, dynamic'));
    symlinkSync(path.join(registered, 'model.onnx'), path.join(folder, 'model.onnx'));
    expect(await compare({ model: path.join(folder, 'model.onnx') })).toBe(true);
  });

  it('may be a link out of a registered folder: what the daemon does not open is sent to it', async () => {
    const [folder, registered] = [newFolder(elsewhere), newFolder(root)];
    writeModelProto(path.join(folder, 'model.onnx'), kind('fp16'));
    symlinkSync(path.join(folder, 'model.onnx'), path.join(registered, 'model.onnx'));
    expect(await compare({ model: path.join(registered, 'model.onnx') })).toBe(true);
  });

  it.each([
    ['/tmp', tmpdir()],
    ['/var/tmp', '/var/tmp'],
    ['a cache in the home folder', homedir()],
  ])('may lead to where an action wrote its model: %s', async (_name, base) => {
    const folder = mkdtempSync(path.join(base, 'written-by-action-'));
    try {
      writeModelProto(path.join(folder, 'm.onnx'), kind('int8, static (QDQ)'));
      expect(await compare({ model: path.join(folder, 'm.onnx') })).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("onnxruntime's own format", () => {
  it.each(['path', 'buffer'])('runs, privately, and the log says why: by %s', async (as) => {
    const folder = newFolder(elsewhere);
    writeModelProto(path.join(folder, 'model.onnx'), kind('int8, dynamic'));
    const saved = path.join(folder, 'model.ort');
    const options = { optimizedModelFilePath: saved, extra: { session: { save_model_format: 'ORT' } } };
    expect((await onStock({ model: path.join(folder, 'model.onnx'), options, calls })).create).toBeUndefined();
    const registered = path.join(newFolder(root), 'model.ort');
    cpSync(saved, registered);
    for (const model of [saved, registered]) {
      expect(await compare({ model, ...(as === 'buffer' && { as }) })).toBe(false);
    }
    expect(runtime.stderr).toMatch(/is loaded privately: .*it is in onnxruntime's own format/);
  });
});
