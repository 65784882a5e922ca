/** Files get the names that `unzip` and `tar` on Linux give them, byte for byte. */
import { crc32 } from 'node:zlib';
import { tarGz, zip, type ZippedFile } from '../support/archives';
import { RuntimeProcess, type RuntimeReply } from '../support/runtime';

let runtime: RuntimeProcess;
beforeEach(async () => {
  runtime = await RuntimeProcess.start();
});
afterEach(() => runtime.stop());

/** Tells what is in the action's folder beside itself: names in base64, and contents. */
const index = {
  name: 'index.js',
  data: `const fs = require('node:fs');
    const shown = (name) => {
      const at = Buffer.concat([Buffer.from(__dirname + '/'), name]);
      return [name.toString('base64'), fs.statSync(at).isFile() ? fs.readFileSync(at, 'utf8') : 'folder'];
    };
    const others = (name) => name.toString() !== 'index.js';
    exports.main = () => ({ files: fs.readdirSync(__dirname, { encoding: 'buffer' }).filter(others).map(shown) });`,
};

const init = (archive: Buffer): Promise<RuntimeReply> =>
  runtime.init({ binary: true, code: archive.toString('base64') });

/** What was unpacked: name and content. */
async function unpacked(archive: Buffer): Promise<[Buffer, string][]> {
  expect(await init(archive)).toMatchObject({ status: 200 });
  const { files } = (await runtime.run()).body as { files: [string, string][] };
  const named = files.map(([name, content]): [Buffer, string] => [Buffer.from(name, 'base64'), content]);
  return named.sort(([one], [other]) => one.compare(other));
}

const UNIX = 3;
const FAT = 0;
const NO_FLAGS = 0;
const UTF8 = Buffer.from('modèle.onnx');
const CP437 = Buffer.from('mod\x8ale.onnx', 'latin1');
const LATIN1 = Buffer.from('mod\xe8le.onnx', 'latin1');

/** Info-ZIP's extra field 0x7075 with a name in UTF-8, for a name in the header. */
function unicodePath(name: string, header: Buffer): Buffer {
  const field = Buffer.alloc(9);
  field.writeUInt16LE(0x7075, 0);
  field.writeUInt16LE(5 + Buffer.byteLength(name), 2);
  field.writeUInt8(1, 4);
  field.writeUInt32LE(crc32(header), 5);
  return Buffer.concat([field, Buffer.from(name)]);
}

describe('a name in a zip file', () => {
  it.each<[string, Omit<ZippedFile, 'data'>, Buffer]>([
    ['UTF-8 that Info-ZIP on Linux does not flag', { name: UTF8, flags: NO_FLAGS, system: UNIX }, UTF8],
    ['UTF-8 that macOS does not flag', { name: UTF8, flags: NO_FLAGS, system: 19 }, UTF8],
    ['UTF-8 that a program on Windows does not flag', { name: UTF8, flags: NO_FLAGS, system: FAT }, UTF8],
    ['flagged UTF-8', { name: UTF8, system: FAT }, UTF8],
    ['a code page of DOS', { name: CP437, flags: NO_FLAGS, system: FAT }, UTF8],
    ['other bytes of Linux', { name: LATIN1, flags: NO_FLAGS, system: UNIX }, LATIN1],
    ['bytes that are wrongly flagged', { name: LATIN1, system: UNIX }, LATIN1],
    ['a Unicode field', { name: CP437, flags: NO_FLAGS, system: FAT, extra: unicodePath('modèle.onnx', CP437) }, UTF8],
    ['a Unicode field of another name', { name: LATIN1, flags: NO_FLAGS, extra: unicodePath('x', UTF8) }, LATIN1],
    ['a backslash of Linux', { name: 'a\\b', system: UNIX }, Buffer.from('a\\b')],
    ['a backslash of Windows', { name: 'a\\b', system: FAT }, Buffer.from('a')],
  ])('%s', async (_what, file, expected) => {
    const [[name] = []] = await unpacked(zip([index, { ...file, data: 'x' }]));
    expect(name).toEqual(expected);
  });

  it('may be that of a link, whose target keeps its bytes too', async () => {
    const files = [
      { name: LATIN1, data: 'model', flags: NO_FLAGS },
      { name: UTF8, data: LATIN1, link: true, flags: NO_FLAGS },
    ];
    const names = [UTF8, LATIN1];
    expect(await unpacked(zip([index, ...files]))).toEqual(names.map((name) => [name, 'model']));
  });

  it.each(['../x', '/x', 'a/../../x', '..\\x'])('bad call: does not lead out of the folder: %s', async (name) => {
    const reply = await init(zip([index, { name, data: 'x', system: FAT }]));
    expect(reply).toMatchObject({ status: 502, body: { error: expect.stringContaining('outside') } });
  });
});

describe('a name in a tar file', () => {
  it('keeps its bytes', async () => {
    const files = [
      { name: UTF8, data: 'a' },
      { name: LATIN1, data: 'b' },
    ];
    expect(await unpacked(tarGz([index, ...files]))).toEqual([
      [UTF8, 'a'],
      [LATIN1, 'b'],
    ]);
  });
});
