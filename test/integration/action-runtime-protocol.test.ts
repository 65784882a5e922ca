/** The checklist of OpenWhisk's Node runtime, against the built runtime over HTTP. */
import { readFileSync } from 'node:fs';
import { tarGz, zip } from '../support/archives';
import { type ActionInit, RuntimeProcess, type RuntimeReply } from '../support/runtime';
import { until } from '../support/until';

let runtime: RuntimeProcess;
const start = async (env?: Record<string, string>): Promise<void> => {
  runtime = await RuntimeProcess.start(env);
};
afterEach(() => runtime.stop());

const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
const MAIN = 'function main(args) { return args; }';
const errorOf = (reply: RuntimeReply): string => (reply.body as { error: string }).error;
const archive = (files: Record<string, string>, extra: ActionInit = {}): ActionInit => ({
  binary: true,
  code: zip(Object.entries(files).map(([name, data]) => ({ name, data }))).toString('base64'),
  ...extra,
});
const stderrSays = (pattern: RegExp): Promise<void> => until(() => pattern.test(runtime.stderr), String(pattern));

describe('requests that do not reach user code', () => {
  beforeEach(() => start());
  afterEach(() => runtime.sentinels(0));

  it.each([
    ['another path', 'POST', '/other', '{}'],
    ['another verb', 'GET', '/run', undefined],
    ['malformed JSON', 'POST', '/init', '{"value":'],
    ['JSON that is no object', 'POST', '/init', '"text"'],
    ['a body over 48 MB', 'POST', '/init', Buffer.alloc(48 * 1024 * 1024 + 1, ' ')],
  ])('bad call: %s gets 500 and Bad request', async (_what, method, url, body) => {
    const reply = await runtime.send(method, url, body);
    expect(reply).toMatchObject({ status: 500, body: { error: 'Bad request.' } });
    expect(reply.headers['content-length']).toBe('24');
    expect(reply.headers['transfer-encoding']).toBeUndefined();
  });

  it('bad call: a run before init is refused', async () => {
    expect(await runtime.run({})).toMatchObject({ status: 403, body: { error: 'System not initialized.' } });
  });

  it.each([
    ['an empty body', {}],
    ['no code', { value: { main: 'main' } }],
    ['empty code', { value: { main: 'main', code: '' } }],
    ['no main', { value: { code: MAIN } }],
    ['a main that is no text', { value: { main: 1, code: MAIN } }],
  ])('bad call: init with %s is refused and may be repeated', async (_what, body) => {
    const missing = { status: 403, body: { error: 'Missing main/no code to execute.' } };
    expect(await runtime.post('/init', body)).toMatchObject(missing);
    expect(await runtime.init({ code: MAIN })).toMatchObject({ status: 200, body: { OK: true } });
  });

  it('bad call: a second init is refused and logged', async () => {
    await runtime.init({ code: MAIN });
    const text = 'Cannot initialize the action more than once.';
    expect(await runtime.init({ code: MAIN })).toMatchObject({ status: 403, body: { error: text } });
    await stderrSays(new RegExp(text));
  });

  it('bad call: a scalar argument is refused, and the next run works', async () => {
    await runtime.init({ code: MAIN });
    const text = "Internal system error: the argument must be a dictionary but has type 'string'.";
    expect(await runtime.run('text')).toMatchObject({ status: 403, body: { error: text } });
    expect(await runtime.run({ a: 1 })).toMatchObject({ status: 200, body: { a: 1 } });
    await runtime.sentinels(1);
    runtime.stdout = runtime.stderr = '';
  });
});

describe('init', () => {
  beforeEach(() => start());

  it.each([
    ['a syntax error', { code: 'function main( {' }, /SyntaxError/],
    ['a main that does not exist', { code: 'const other = 1;' }, /Action entrypoint 'main' is not a function/],
    ['a main that is not a function', { code: 'const main = 1;' }, /is not a function/],
    ['a main that is no name', { code: MAIN, main: 'main()' }, /is not a function/],
    ['code that throws', { code: "throw new Error('while loading')" }, /while loading/],
    ['a package that is not there', { code: "require('no-such-package')" }, /no-such-package/],
    ['bytes that are no archive', { code: Buffer.from('no').toString('base64'), binary: true }, /uncompressing/],
    ['a damaged zip', { code: zip([]).toString('base64').replace('U', 'V'), binary: true }, /uncompressing/],
    ['a truncated zip', truncated(), /uncompressing/],
    ['a zip without an entry', archive({ 'other.js': '' }), /must contain either package.json or index.js at the root/],
  ])('expected failure: %s gives 502 with the reason, in the log too, and stops', async (_what, action, reason) => {
    const reply = await runtime.init(action);
    expect(reply.status).toBe(502);
    expect(errorOf(reply)).toMatch(/^Initialization has failed due to: /);
    expect(errorOf(reply)).toMatch(reason);
    await runtime.sentinels(1);
    expect(runtime.stderr).toMatch(/^Error during initialization: /);
    const stopped = { status: 403, body: { error: 'System not ready, status is stopped.' } };
    expect(await runtime.run({})).toMatchObject(stopped);
    expect(await runtime.init({ code: MAIN })).toMatchObject(stopped);
  });

  it('shows its environment to code while it loads, empty texts included', async () => {
    const code =
      'const seen = [process.env.A, process.env.B, process.env.__OW_NAMESPACE]; function main() { return { seen }; }';
    await runtime.init({ code, env: { A: 'a', B: '', __OW_NAMESPACE: 'guest' } });
    await runtime.sentinels(0);
    expect(await runtime.run({})).toMatchObject({ body: { seen: ['a', '', 'guest'] } });
  });

  it('takes 500 kB of code', async () => {
    await runtime.init({ code: `// ${'x'.repeat(500_000)}\n${MAIN}` });
    expect(await runtime.run({ a: 1 })).toMatchObject({ body: { a: 1 } });
  });
});

describe('text code', () => {
  beforeEach(() => start());

  it.each([
    ['another name', 'function niam(a) { return a; }', 'niam'],
    ['a global', 'global.main = (a) => a;', 'main'],
    ['a bundle that sets a global', '(() => { global.main = (a) => a; })();', 'main'],
    ['exports.main', 'exports.main = (a) => a;', 'main'],
    ['module.exports.main', 'module.exports = { main: (a) => a };', 'main'],
    ['a constant', 'const main = (a) => a;', 'main'],
    ['default parameters', 'function main({ name = "x", ...rest } = {}) { return rest; }', 'main'],
    ['an ES module', 'import os from "node:os"; export const main = (a) => (os.tmpdir(), a);', 'main'],
    ['an ES module that first awaits', 'const a = await 1; export const main = (b) => (a, b);', 'main'],
    ['an ES module that first awaits in a call', 'String(await 1); export const main = (b) => b;', 'main'],
    [
      'an ES module that first awaits in a loop',
      'for await (const a of []); export { a as main }; const a = (b) => b;',
      'main',
    ],
    ['undeclared variables', 'function main(a) { undeclared = a; return undeclared; }', 'main'],
    ['a last line that is a comment', 'function main(a) { return a; } // end', 'main'],
  ])('finds main as %s', async (_what, code, main) => {
    expect(await runtime.init({ code, main })).toMatchObject({ status: 200 });
    expect(await runtime.run({ a: 1 })).toMatchObject({ status: 200, body: { a: 1 } });
  });

  it('may require openwhisk, and import it', async () => {
    const code = `const ow = require('openwhisk');
      async function main() { return { types: [typeof ow, typeof (await import('openwhisk')).default] }; }`;
    await runtime.init({ code });
    expect(await runtime.run({})).toMatchObject({ body: { types: ['function', 'function'] } });
    await runtime.sentinels(1);
    expect(runtime.stderr).toBe(`${SENTINEL}\n`);
  });
});

describe('archives', () => {
  beforeEach(() => start());
  const echo = 'exports.main = (a) => a; exports.niam = (a) => ({ niam: a });';

  it.each([
    ['index.js', archive({ 'index.js': echo })],
    ['package.json', archive({ 'package.json': '{"main":"lib/entry.js"}', 'lib/entry.js': echo })],
    ['an ES module', archive({ 'package.json': '{"type":"module"}', 'index.js': 'export const main = (a) => a;' })],
    ['an .mjs file', archive({ 'package.json': '{"main":"a.mjs"}', 'a.mjs': 'export const main = (a) => a;' })],
    [
      'an ES module that awaits while it loads',
      archive({ 'package.json': '{"type":"module"}', 'index.js': 'await 1; export const main = (a) => a;' }),
    ],
    ['a dotted main', archive({ 'other.js': 'exports.niam = (a) => a;' }, { main: 'other.niam' })],
    ['a longer dotted main', archive({ 'other.js': 'exports.niam = { xyz: (a) => a };' }, { main: 'other.niam.xyz' })],
    [
      'a dotted main that wins over package.json',
      archive({ 'package.json': '{"main":"no.js"}', 'other.js': echo }, { main: 'other.main' }),
    ],
    ['a gzipped tar', { binary: true, code: tarGz([{ name: 'index.js', data: echo }]).toString('base64') }],
  ])('loads %s', async (_what, action) => {
    expect(await runtime.init(action)).toMatchObject({ status: 200, body: { OK: true } });
    expect(await runtime.run({ a: 1 })).toMatchObject({ status: 200, body: { a: 1 } });
  });

  it('works in the folder of the archive, where its own packages win', async () => {
    const files = {
      'index.js': `const fs = require('fs'); exports.main = () => ({ text: fs.readFileSync('a.txt', 'utf8'), own: require('openwhisk') });`,
      'a.txt': 'beside',
      'node_modules/openwhisk/index.js': "module.exports = 'own';",
    };
    await runtime.init(archive(files));
    expect(await runtime.run({})).toMatchObject({ body: { text: 'beside', own: 'own' } });
  });

  it.each([
    ['a name that climbs out of a zip', zip([{ name: '../out.txt', data: 'x' }])],
    ['an absolute name in a zip', zip([{ name: '/tmp/tetris-out.txt', data: 'x' }])],
    ['a name that climbs out of a tar', tarGz([{ name: '../out.txt', data: 'x' }])],
    ['a link that leads out of a zip', zip([{ name: 'link', data: '../..', link: true }])],
    ['a link that leads out of a tar', tarGz([{ name: 'link', data: '/etc', link: true }])],
    [
      'a file behind a link',
      zip([
        { name: 'link', data: '/tmp', link: true },
        { name: 'link/tetris-out.txt', data: 'x' },
      ]),
    ],
  ])('bad call: %s is refused', async (_what, code) => {
    const reply = await runtime.init({ binary: true, code: code.toString('base64') });
    expect(reply.status).toBe(502);
    expect(errorOf(reply)).toMatch(/uncompressing the action archive/);
    expect(() => readFileSync('/tmp/tetris-out.txt')).toThrow(/ENOENT/);
  });

  it('keeps links that stay inside', async () => {
    const files = [
      { name: 'index.js', data: "exports.main = () => require('./alias.js');" },
      { name: 'alias.js', data: 'real.js', link: true },
      { name: 'real.js', data: 'exports.real = true;' },
    ];
    await runtime.init({ binary: true, code: zip(files).toString('base64') });
    expect(await runtime.run({})).toMatchObject({ body: { real: true } });
  });
});

describe('an archive that unpacks to too much', () => {
  it.each([
    ['bytes', { TETRIS_RUNTIME_UNPACKED_BYTES_MAX: '1m' }, [{ name: 'index.js', data: ' '.repeat(2 ** 21) }]],
    [
      'files',
      { TETRIS_RUNTIME_UNPACKED_FILES_MAX: '3' },
      [1, 2, 3, 4].map((index) => ({ name: `${index}.js`, data: '' })),
    ],
  ])('bad call: over the limit of %s is refused', async (_what, env, files) => {
    await start(env);
    const reply = await runtime.init({ binary: true, code: zip(files).toString('base64') });
    expect(errorOf(reply)).toMatch(/uncompressing the action archive: it (unpacks to|holds) more than/);
  });
});

describe('run', () => {
  beforeEach(() => start());
  const initialized = (body: string): Promise<RuntimeReply> =>
    runtime.init({ code: `function main(args) { ${body} }` });

  it.each([
    ['an object', 'return { a: [1, "ü", null] };', 200, { a: [1, 'ü', null] }],
    ['an array', 'return [1, 2];', 200, [1, 2]],
    ['a promise', 'return Promise.resolve({ a: 1 });', 200, { a: 1 }],
    ['nothing', 'return;', 200, {}],
    ['a promise of nothing', 'return Promise.resolve();', 200, {}],
    ['null', 'return null;', 200, null],
    ['an object with an error', 'return { error: "mine" };', 200, { error: 'mine' }],
    ['text', 'return "text";', 502, { error: 'The action did not return a dictionary.' }],
    ['a number', 'return 1;', 502, { error: 'The action did not return a dictionary.' }],
    ['a promise of false', 'return Promise.resolve(false);', 502, { error: 'The action did not return a dictionary.' }],
    ['a rejection with an object', 'return Promise.reject({ a: 1 });', 200, { error: { a: 1 } }],
    ['a rejection with text', 'return Promise.reject("no");', 200, { error: 'no' }],
    ['a rejection with nothing', 'return Promise.reject();', 200, { error: {} }],
    [
      'a BigInt',
      'return { a: 1n };',
      502,
      { error: 'An error has occurred: TypeError: Do not know how to serialize a BigInt' },
    ],
  ])('answers %s, and stays usable', async (_what, body, status, expected) => {
    await initialized(body);
    const reply = await runtime.run({});
    expect([reply.status, reply.body]).toEqual([status, expected]);
    await runtime.sentinels(1);
    expect((await runtime.run({})).status).toBe(status);
  });

  it.each([
    ['an async function throws', 'return (async () => { throw new Error("late"); })();', 'late'],
    ['an async function uses an unknown name', 'return (async () => unknownName)();', 'unknownName is not defined'],
  ])('answers 200 with the serialized error when %s', async (_what, body, message) => {
    await initialized(body);
    const reply = await runtime.run({});
    expect(reply.status).toBe(200);
    const { error } = reply.body as { error: { name: string; message: string; stack: string } };
    expect(error.message).toBe(message);
    expect(error.stack).toContain(error.name);
    await runtime.sentinels(1);
    expect(runtime.stdout + runtime.stderr).toBe(`${SENTINEL}\n`.repeat(2));
  });

  it.each([
    ['an error', 'throw new Error("boom");', 'Error: boom'],
    ['text', 'throw "boom";', 'boom'],
    [
      'an error outside of every promise',
      'return new Promise(() => setTimeout(() => { throw new Error("boom"); }));',
      'Error: boom',
    ],
    [
      'an error in a forgotten promise',
      'Promise.reject(new Error("boom")); return new Promise(() => {});',
      'Error: boom',
    ],
  ])('answers 502 and stops when main throws %s', async (_what, body, text) => {
    await initialized(body);
    expect(await runtime.run({})).toMatchObject({ status: 502, body: { error: `An error has occurred: ${text}` } });
    await runtime.sentinels(1);
    expect(await runtime.run({})).toMatchObject({
      status: 403,
      body: { error: 'System not ready, status is stopped.' },
    });
  });

  it('takes a missing or null value as an empty object', async () => {
    await initialized('return { args };');
    expect((await runtime.run()).body).toEqual({ args: {} });
    expect((await runtime.run(null)).body).toEqual({ args: {} });
  });

  it('shows the fields of the request as variables, strings only', async () => {
    await initialized(
      'return { env: Object.fromEntries(Object.entries(process.env).filter(([k]) => k.startsWith("__OW_"))) };',
    );
    const fields = { namespace: 'guest', action_name: '/guest/a', activation_id: 'abc', deadline: '123', number: 7 };
    const env = {
      __OW_NAMESPACE: 'guest',
      __OW_ACTION_NAME: '/guest/a',
      __OW_ACTIVATION_ID: 'abc',
      __OW_DEADLINE: '123',
    };
    expect((await runtime.run({}, fields)).body).toEqual({ env });
  });

  it('echoes 1 MB and Unicode, and logs on both streams before the sentinels', async () => {
    await initialized('console.log("out ☃"); console.error("err ☃"); return args;');
    const value = { big: 'x'.repeat(2 ** 20), text: '☃ 😀' };
    const reply = await runtime.run(value);
    expect(reply.body).toEqual(value);
    expect(reply.headers['content-length']).toBeDefined();
    await runtime.sentinels(1);
    expect(runtime.stdout).toBe(`out ☃\n${SENTINEL}\n`);
    expect(runtime.stderr).toBe(`err ☃\n${SENTINEL}\n`);
  });

  it('bad call: a second run while one is active is refused without concurrency', async () => {
    await initialized('return new Promise((resolve) => setTimeout(resolve, 300, { done: true }));');
    const replies = await Promise.all([runtime.run({}), runtime.run({})]);
    const bodies = replies.map(({ body }) => body);
    expect(bodies).toContainEqual({ done: true });
    expect(bodies).toContainEqual({ error: 'System not ready, status is running.' });
    await runtime.sentinels(1);
  });
});

function truncated(): ActionInit {
  const whole = zip([{ name: 'index.js', data: MAIN.repeat(100) }]);
  return { binary: true, code: whole.subarray(0, whole.length / 2).toString('base64') };
}
