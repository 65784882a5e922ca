/** Every line of the examples' READMEs is run as it is written; what they answer is compared with plain onnxruntime. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Platform, startPlatform } from '@tetris/standalone';
import { provideCommands } from '../support/commands/provide';
import { numbersOf } from '../support/numbers';

jest.setTimeout(120_000);

const ROOT = join(__dirname, '../..');
const EXAMPLES = join(ROOT, 'examples');
const RELATIVE_ERROR_MAX = 1e-4;
const run = promisify(execFile);

let folder: string;
let platform: Platform;

beforeAll(async () => {
  await run('npm', ['run', '--silent', 'examples'], { cwd: ROOT });
  folder = mkdtempSync(join(tmpdir(), 'tetris-examples-'));
  provideCommands(folder, ['wsk']);
  platform = await startPlatform({ logLevel: 'error' });
  await shell('classify', `wsk property set --apihost ${platform.url} --auth ${platform.auth}`);
}, 300_000);

afterAll(async () => {
  await platform?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Fenced blocks of an example's README, by language. */
function blocks(example: string, language: string): string[] {
  const text = readFileSync(join(EXAMPLES, example, 'README.md'), 'utf8');
  const found = [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))];
  return found.map(([, block]) => (block ?? '').replaceAll('http://127.0.0.1:3233', platform.url));
}

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  AUTH: platform.auth,
  PATH: `${folder}:${process.env.PATH}`,
  WSK_CONFIG_FILE: join(folder, '.wskprops'),
});

async function shell(example: string, commands: string): Promise<string> {
  const options = { cwd: join(EXAMPLES, example), env: environment(), maxBuffer: 64 * 1024 ** 2 };
  return (await run('bash', ['-euc', commands], options)).stdout;
}

/** The last JSON value that was printed, from the start of a line. */
const answerOf = (stdout: string): unknown => JSON.parse(stdout.slice(`\n${stdout}`.lastIndexOf('\n{')));

/** A module of the example's folder in a process of its own, in which onnxruntime is plain. */
async function node(example: string, code: string): Promise<unknown> {
  const options = { cwd: join(EXAMPLES, example), env: environment(), maxBuffer: 64 * 1024 ** 2 };
  return answerOf((await run(process.execPath, ['--eval', code], options)).stdout);
}

const plain = (example: string, input: unknown): Promise<unknown> =>
  node(
    example,
    `require('./index.js').main(${JSON.stringify(input)}).then((answer) => console.log(JSON.stringify(answer)))`,
  );

const inputOf = (example: string): unknown => JSON.parse(readFileSync(join(EXAMPLES, example, 'input.json'), 'utf8'));

/** What each example answers without the platform. */
const PLAIN: Readonly<Record<string, () => Promise<unknown>>> = {
  classify: () => plain('classify', inputOf('classify')),
  embed: () => plain('embed', inputOf('embed')),
  generate: () => plain('generate', inputOf('generate')),
};

/** Alike but for the rounding of numbers. */
function expectAlike(answer: unknown, expected: unknown): void {
  const [one, other] = [numbersOf(answer), numbersOf(expected)];
  expect(one.rest).toEqual(other.rest);
  const scale = Math.max(...other.numbers.map(Math.abs), Number.MIN_VALUE);
  const largest = Math.max(0, ...one.numbers.map((value, at) => Math.abs(value - (other.numbers[at] ?? NaN)) / scale));
  expect(largest).toBeLessThanOrEqual(RELATIVE_ERROR_MAX);
}

describe.each(Object.keys(PLAIN))('examples/%s', (example) => {
  it('answers by wsk, npm and curl what plain onnxruntime answers', async () => {
    const [wsk = '', curl = ''] = blocks(example, 'sh');
    const [script = ''] = blocks(example, 'js');
    const expected = await PLAIN[example]?.();
    expectAlike(answerOf(await shell(example, wsk)), expected);
    expectAlike(await node(example, script), expected);
    expectAlike(answerOf(await shell(example, curl)), expected);
  });
});
