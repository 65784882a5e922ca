/** A `/dev/shm` of 64 MB, as containers have it by default: said at start, and every model answers. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildModel, type BuiltModel, transformer } from '@tetris/bench';
import type openwhisk from 'openwhisk';
import { clientOf } from '../support/platform';
import { until } from '../support/until';

const ROOT = join(__dirname, '../..');
const START = `mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$0" "$@"`;
const CODE = `
const ort = require('onnxruntime-node');
let session;
exports.main = async ({ model, hidden }) => {
  session ??= ort.InferenceSession.create(model);
  const embeddings = new ort.Tensor('float32', new Float32Array(8 * hidden).fill(0.5), [1, 8, hidden]);
  const { logits } = await (await session).run({ embeddings });
  return { logits: Array.from(logits.data) };
};
`;
const run = promisify(execFile);

describe('a /dev/shm of 64 MB', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tetris-shm-'));
  let child: ChildProcess;
  let output = '';
  let errors = '';
  let client: openwhisk.Client;

  beforeAll(async () => {
    // A mount namespace of its own; who is not root needs a user namespace for it.
    const namespaces = process.getuid?.() === 0 ? ['--mount'] : ['--mount', '--map-root-user'];
    const command = [process.execPath, join(ROOT, 'standalone/dist/main.js'), '--port', '0', '--models', folder];
    child = spawn('unshare', [...namespaces, 'sh', '-c', START, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
    await until(() => output.includes('Ctrl-C') || child.exitCode !== null);
    const [, url = '', auth = ''] = /ready on (http:\S+?): [\s\S]*AUTH=(\S+)/.exec(output) ?? [];
    client = clientOf({ url, auth });
  });

  afterAll(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });

  it('is the budget, and a warning at the start says what follows and what to do', () => {
    expect(output).toMatch(/one node, 4\.0 GiB each, of which 6\d MiB for shared tensors\./);
    expect(errors).toMatch(
      /^tetris: warning: \/dev\/shm has room for 6\d MiB of tensors: .* loaded privately, .*--store FOLDER/m,
    );
  });

  const build = (name: string, hidden: number): Promise<BuiltModel> =>
    buildModel(transformer(name, { layers: 2, hidden, heads: 8, sequence: 8 }), folder);

  /** What the same code answers in a process of its own, where onnxruntime is plain. */
  async function plain(params: object): Promise<unknown> {
    const call = `exports.main(${JSON.stringify(params)}).then((answer) => console.log(JSON.stringify(answer)))`;
    const { stdout } = await run(process.execPath, ['--eval', `${CODE};${call}`], { cwd: ROOT });
    return JSON.parse(stdout);
  }

  it.each([
    ['shares a model that fits', 'small', 64, true],
    ['loads a model privately that does not', 'large', 1024, false],
  ])('%s, and answers as plain onnxruntime', async (_case, name, hidden, shared) => {
    const { path, bytes } = await build(name, hidden);
    expect(bytes > 64 * 1024 ** 2).toBe(!shared);
    const action = { exec: { kind: 'nodejs:tetris', code: CODE }, limits: { memory: 512 } };
    await client.actions.update({ name, action: action });
    const params = { model: path, hidden };
    const answer = (await client.actions.invoke({ name, params, blocking: true, result: true })) as {
      logits: number[];
    };
    const expected = (await plain(params)) as { logits: number[] };
    answer.logits.forEach((logit, at) => expect(logit).toBeCloseTo(expected.logits[at] ?? NaN, 4));

    const socket = /--socket (\S+)/.exec(output)?.[1] ?? '';
    const cli = join(ROOT, 'tensor-daemon/bin/tetris-tensors.js');
    const { stdout } = await run(process.execPath, [cli, '--socket', socket, '--json', 'leases']);
    const names = (JSON.parse(stdout) as { name: string }[]).map((lease) => lease.name);
    expect(names.includes(`/guest/${name} ${path}`)).toBe(shared);
  });
});
