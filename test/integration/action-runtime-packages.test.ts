/** Actions that bring packages of onnxruntime of their own, or ask for parts of ours. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { zip } from '../support/archives';
import { RuntimeProcess } from '../support/runtime';

const OLD_COMMON = path.dirname(path.dirname(path.dirname(require.resolve('onnxruntime-common-1.16'))));
const { version: VERSION } = JSON.parse(readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8')) as {
  version: string;
};

/** `y = Identity(x)` of a float32 scalar. */
const IDENTITY = 'CAg6LwoQCgF4EgF5IghJZGVudGl0eRIBZ1oLCgF4EgYKBAgBEgBiCwoBeRIGCgQIARIAQgQKABAR';

/** The files of onnxruntime-common 1.16.3 that its CommonJS entry needs. */
function oldCommon(folder: string): Record<string, string> {
  const names = ['package.json', ...readdirSync(path.join(OLD_COMMON, 'dist/cjs')).map((name) => `dist/cjs/${name}`)];
  const files = names.filter((name) => /\.(js|json)$/.test(name));
  return Object.fromEntries(
    files.map((name) => [`${folder}/${name}`, readFileSync(path.join(OLD_COMMON, name), 'utf8')]),
  );
}

/** As onnxruntime-web before 1.17 registers itself. */
const OLD_WEB = {
  'node_modules/onnxruntime-web/package.json': '{"name":"onnxruntime-web","version":"1.16.3","main":"index.js"}',
  'node_modules/onnxruntime-web/index.js': `
    const common = require('onnxruntime-common');
    const backend = { init: async () => undefined, createSessionHandler: async () => ({ inputNames: ['web'], outputNames: [] }) };
    common.registerBackend('wasm', backend, 10);
    module.exports = common;`,
};

const HEAD = `const ort = require('onnxruntime-node');
  const model = Buffer.from('${IDENTITY}', 'base64');`;

let runtime: RuntimeProcess;
beforeEach(async () => {
  runtime = await RuntimeProcess.start();
});
afterEach(() => runtime.stop());

async function answerOf(files: Record<string, string>): Promise<unknown> {
  const code = zip(Object.entries(files).map(([name, data]) => ({ name, data }))).toString('base64');
  const reply = await runtime.init({ binary: true, code });
  expect(reply).toMatchObject({ status: 200 });
  return (await runtime.run()).body;
}

describe('an action that brings', () => {
  it('onnxruntime-web of another interface: it keeps its onnxruntime-common, and onnxruntime-node is the runtime', async () => {
    const files = {
      'index.js': `${HEAD} const web = require('onnxruntime-web');
        exports.main = async () => {
          const session = await ort.InferenceSession.create(model);
          const { y } = await session.run({ x: new ort.Tensor('float32', [5], []) });
          const onWeb = await web.InferenceSession.create(Uint8Array.of(1), { executionProviders: ['wasm'] });
          return { y: y.data[0], web: onWeb.inputNames, own: web.Tensor !== ort.Tensor };
        };`,
      ...OLD_WEB,
      ...oldCommon('node_modules/onnxruntime-common'),
    };
    expect(await answerOf(files)).toEqual({ y: 5, web: ['web'], own: true });
  });

  it('onnxruntime-common of another interface: it is kept, said so, and its tensors are tensors', async () => {
    const files = {
      'index.js': `${HEAD} const { Tensor } = require('onnxruntime-common');
        exports.main = async () => {
          const session = await ort.InferenceSession.create(model);
          const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(5), []) });
          const again = new Tensor(y.type, y.data, y.dims);
          const twice = await session.run({ x: again });
          return { y: twice.y.data[0], own: Tensor !== ort.Tensor };
        };`,
      ...oldCommon('node_modules/onnxruntime-common'),
    };
    expect(await answerOf(files)).toEqual({ y: 5, own: true });
    expect(runtime.stderr).toMatch(/tetris: onnxruntime-common 1\.16\.3 of the action is used as it is/);
  });

  const nodeOf = (version: string): Record<string, string> => ({
    'index.js': `const ort = require('onnxruntime-node');
      const { version } = require('onnxruntime-node/package.json');
      const common = require('onnxruntime-common');
      exports.main = async () => {
        const imported = await import('onnxruntime-node');
        const same = (imported.default ?? imported).InferenceSession === ort.InferenceSession;
        return { version, same, own: ort.own === true, common: common.Tensor === ort.Tensor };
      };`,
    'node_modules/onnxruntime-node/package.json': JSON.stringify({
      name: 'onnxruntime-node',
      version,
      main: 'dist/index.js',
    }),
    'node_modules/onnxruntime-node/dist/index.js':
      "Object.assign(exports, require('onnxruntime-common'), { own: true });",
  });

  it('onnxruntime-node of another version: the runtime stands in for it, and says so', async () => {
    expect(await answerOf(nodeOf('1.17.0'))).toEqual({ version: '1.17.0', same: true, own: false, common: true });
    expect(runtime.stderr).toContain(`tetris: onnxruntime-node 1.17.0 of the action is replaced by ${VERSION}`);
  });

  it('onnxruntime-node of before 1.17: it is left as it is, and said so', async () => {
    const files = { ...nodeOf('1.14.0'), ...oldCommon('node_modules/onnxruntime-common') };
    expect(await answerOf(files)).toEqual({ version: '1.14.0', same: true, own: true, common: true });
    expect(runtime.stderr).toMatch(/tetris: onnxruntime-node 1\.14\.0 of the action is used as it is/);
  });
});

describe('an action without packages of its own finds', () => {
  it("the parts of onnxruntime-node by path, and the runtime's module at its entry", async () => {
    const files = {
      'index.js': `${HEAD}
        const read = (name) => require('fs').existsSync(require.resolve(name));
        exports.main = async () => ({
          versions: [require('onnxruntime-node/package.json').version, require('onnxruntime-node/dist/version').version],
          entry: require('onnxruntime-node/dist/index.js').Tensor === ort.Tensor,
          imported: (await import('onnxruntime-node/dist/index.js')).default.Tensor === ort.Tensor,
          binary: read('onnxruntime-node/bin/napi-v6/' + process.platform + '/' + process.arch + '/onnxruntime_binding.node'),
          common: require('onnxruntime-common').Tensor === ort.Tensor,
        });`,
    };
    const found = { versions: [VERSION, VERSION], entry: true, imported: true, binary: true, common: true };
    expect(await answerOf(files)).toEqual(found);
  });
});
