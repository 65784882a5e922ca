/** The README as a new user follows it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildModel, perceptron } from '@tetris/bench';
import { provideCommands } from '../support/commands/provide';
import { blocksOf, documented, documentedBlock } from '../support/docs/documented';

const ROOT = join(__dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const run = promisify(execFile);

const START = documented('README.md', 'npm start');
const [firstAction = ''] = blocksOf('README.md', 'js');
const wskBlock = documentedBlock('README.md', 'wsk ');

let folder: string;
let server: ChildProcess;
let url = '';
let auth = '';
/** The line that the user copies. */
let setUp = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tetris-readme-'));
  provideCommands(folder, ['wsk', 'zip']);
  server = spawn('sh', ['-c', `${START} -- --port 0`], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let text = '';
  for await (const chunk of server.stdout ?? []) {
    text += String(chunk);
    url = /ready on (http:\S+?):? /.exec(text)?.[1] ?? '';
    auth = /AUTH=(\S+)/.exec(text)?.[1] ?? '';
    setUp = /wsk property set .*/.exec(text)?.[0] ?? '';
    if (url !== '' && auth !== '' && text.includes('Ctrl-C')) break;
  }
}, 180_000);

afterAll(async () => {
  if (server.pid !== undefined && server.exitCode === null) {
    const ended = once(server, 'exit');
    process.kill(-server.pid, 'SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** As a user's, in a folder of his. */
async function shell(commands: string): Promise<string> {
  const path = `${folder}:${dirname(process.execPath)}:${process.env.PATH}`;
  const env = { ...process.env, WSK_CONFIG_FILE: join(folder, '.wskprops'), PATH: path };
  return (await run('bash', ['-euc', commands], { cwd: folder, env })).stdout;
}

describe('README', () => {
  it('starts a platform that prints its address and the key', () => {
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(auth).toMatch(/^[0-9a-f-]{36}:\w{64}$/);
  });

  it('has a first action of at most ten lines that works as it is written', async () => {
    expect(firstAction.split('\n').length).toBeLessThanOrEqual(10);
    writeFileSync(join(folder, 'index.js'), firstAction.replace(/^\/\/ index\.js\n/, ''));
    const model = await buildModel(perceptron('model', { inputs: 8, labels: 3 }), folder);
    expect(model.path).toBe(join(folder, 'model.onnx'));
    writeFileSync(
      join(folder, 'input.json'),
      JSON.stringify({ input: Array.from({ length: 8 }, () => 1), dims: [1, 8] }),
    );
    const stdout = await shell(`${setUp}\n${wskBlock}`);
    const answer = JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1)) as { output: number[] };
    expect(answer.output).toHaveLength(3);
    expect(answer.output.every(Number.isFinite)).toBe(true);
  });

  it('takes annotations as docs/README.md has them', async () => {
    const said = await shell(documented('docs/README.md', 'wsk action update classify'));
    expect(said).toMatch(/"key": "tetris-slo",\s+"value": 300/);
  });

  it('names every flag of npm start that it has, and no other', async () => {
    const { stdout } = await run(process.execPath, [join(ROOT, 'standalone/dist/main.js'), '--help']);
    const named = /lists the flags: ([^\n]*(?:\n[^\n]+)*)/.exec(README)?.[1] ?? '';
    const flags = (text: string): string[] => [...new Set(text.match(/--[a-z]+/g))].sort();
    expect([...flags(named), '--help'].sort()).toEqual(flags(stdout));
  });
});
