/** Every line of the examples' READMEs is run as it is written; what they answer is compared with plain onnxruntime. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inflateSync } from 'node:zlib';
import { type Platform, startPlatform } from '@tetris/standalone';
import { provideCommands } from '../support/commands/provide';
import { blocksOf, documented } from '../support/docs/documented';
import { numbersOf } from '../support/numbers';

const ROOT = join(__dirname, '../..');
const EXAMPLES = join(ROOT, 'examples');
const RELATIVE_ERROR_MAX = 1e-4;
const run = promisify(execFile);

let folder: string;
let platform: Platform;

beforeAll(async () => {
  await run('sh', ['-c', documented('examples/README.md', 'npm run examples')], { cwd: ROOT });
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
const blocks = (example: string, language: string): string[] =>
  blocksOf(`examples/${example}/README.md`, language).map((block) =>
    block.replaceAll('http://127.0.0.1:3233', platform.url),
  );

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
  pipeline: async () => plain('pipeline', await plain('embed', inputOf('pipeline'))),
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
    // The first step of the sequence, as its README asks.
    if (example === 'pipeline') await shell('embed', blocks('embed', 'sh')[0] ?? '');
    const [wsk = '', curl = ''] = blocks(example, 'sh');
    const [script = ''] = blocks(example, 'js');
    const expected = await PLAIN[example]?.();
    expectAlike(answerOf(await shell(example, wsk)), expected);
    expectAlike(await node(example, script), expected);
    expectAlike(answerOf(await shell(example, curl)), expected);
  });
});

describe('examples/painting', () => {
  interface Page {
    statusCode: number;
    headers: Record<string, string>;
    body: string;
  }

  /** The bytes of the image in a page: filters and colours, row by row. */
  function pixelsOf(page: string): Buffer {
    const png = Buffer.from(/data:image\/png;base64,([^"]+)/.exec(page)?.[1] ?? '', 'base64');
    const start = png.indexOf('IDAT') + 4;
    return inflateSync(png.subarray(start, start + png.readUInt32BE(start - 8)));
  }

  /** One level of 255 is rounding. */
  function expectSamePicture(page: string, expected: string): void {
    const [one, other] = [pixelsOf(page), pixelsOf(expected)];
    expect(one.length).toBe(other.length);
    expect(Math.max(...one.map((level, at) => Math.abs(level - (other[at] ?? NaN))))).toBeLessThanOrEqual(1);
  }

  it('answers a page whose image is that of plain onnxruntime, by wsk, npm, curl and as browsers ask', async () => {
    const [wsk = '', curl = ''] = blocks('painting', 'sh');
    const [script = ''] = blocks('painting', 'js');
    const expected = (await plain('painting', inputOf('painting'))) as Page;
    for (const answer of [answerOf(await shell('painting', wsk)), await node('painting', script)]) {
      expectSamePicture((answer as Page).body, expected.body);
    }
    const page = await shell('painting', curl);
    expect(page).toMatch(/^<!doctype html>/);
    expectSamePicture(page, expected.body);
    const address = /<(http:\S+)>/.exec(readFileSync(join(EXAMPLES, 'painting/README.md'), 'utf8'))?.[1] ?? '';
    const reply = await fetch(address.replace('http://127.0.0.1:3233', platform.url));
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expectSamePicture(await reply.text(), expected.body);
    const other = (await plain('painting', { seed: 8 })) as Page;
    expect(pixelsOf(other.body).equals(pixelsOf(expected.body))).toBe(false);
  });
});
