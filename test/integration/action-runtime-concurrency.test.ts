/** Several activations at once in one instance: answers, context and logs stay apart. */
import { RuntimeProcess } from '../support/runtime';
import { until } from '../support/until';

const CONCURRENT = { __OW_ALLOW_CONCURRENT: 'True' };
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';

let runtime: RuntimeProcess;
afterEach(() => runtime.stop());

/** Starts an instance and sends `count` runs, `number` 0.. and ids `id-0`.. */
async function runAll(count: number, code: string, env: Record<string, string> = {}) {
  runtime = await RuntimeProcess.start({ ...CONCURRENT, ...env });
  expect(await runtime.init({ code, env: { __OW_ACTIVATION_ID: 'id-init' } })).toMatchObject({ status: 200 });
  const runs = Array.from({ length: count }, (_, number) => runtime.run({ number }, { activation_id: `id-${number}` }));
  return Promise.all(runs);
}

/** Text after each tag of an activation. */
const linesOf = (text: string, id: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith(`\u0001${id}\u0001`))
    .map((line) => line.slice(id.length + 2));

describe('an instance that may run activations at once', () => {
  it('answers 128 that wait for each other', async () => {
    const code = `const waiting = [];
      function main({ number }) {
        console.log('started');
        return new Promise((resolve) => {
          waiting.push(() => resolve({ number }));
          if (waiting.length === 128) waiting.forEach((go) => go());
        });
      }`;
    const replies = await runAll(128, code);
    expect(replies.map(({ body }) => body)).toEqual(Array.from({ length: 128 }, (_, number) => ({ number })));
    await runtime.sentinels(128);
    expect(runtime.stdout.startsWith('started\n'.repeat(128))).toBe(true);
  });

  it('shows each its own variables after every kind of wait', async () => {
    const code = `const fs = require('fs/promises');
      const seen = () => process.env.__OW_ACTIVATION_ID;
      async function main({ number }) {
        const ids = [seen()];
        await new Promise((resolve) => setTimeout(resolve, 10 + (number % 7)));
        ids.push(seen());
        await fs.readFile(__filename).catch(() => {});
        ids.push(seen(), { ...process.env }.__OW_ACTIVATION_ID);
        await new Promise((resolve) => process.nextTick(resolve));
        ids.push(seen(), '__OW_ACTIVATION_ID' in process.env ? seen() : 'none');
        process.env.__OW_ACTIVATION_ID = 'mine-' + number;
        await null;
        ids.push(seen().replace('mine', 'id'));
        return { ids };
      }`;
    const replies = await runAll(50, code);
    for (const [number, { body }] of replies.entries()) {
      expect((body as { ids: string[] }).ids).toEqual(Array(7).fill(`id-${number}`));
    }
  });

  it("shows a child process its activation's variables", async () => {
    const code = `const { promisify } = require('util');
      const run = promisify(require('child_process').execFile);
      const main = async () => ({ id: (await run('/bin/sh', ['-c', 'echo $__OW_ACTIVATION_ID'])).stdout.trim() });`;
    const replies = await runAll(4, code);
    expect(replies.map(({ body }) => body)).toEqual([0, 1, 2, 3].map((number) => ({ id: `id-${number}` })));
  });

  it('lets the others finish when one throws, and refuses what comes after', async () => {
    const code = `function main({ number }) {
        if (number === 2) throw new Error('boom');
        return new Promise((resolve) => setTimeout(resolve, 200, { number }));
      }`;
    const replies = await runAll(3, code);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 502]);
    await runtime.sentinels(3);
    const stopped = { status: 403, body: { error: 'System not ready, status is stopped.' } };
    expect(await runtime.run({})).toMatchObject(stopped);
  });

  it('gives an error outside of every promise to the activation it came from', async () => {
    const code = `function main({ number }) {
        return new Promise((resolve) => setTimeout(() => {
          if (number === 1) throw new Error('boom');
          setTimeout(resolve, 100, { number });
        }, 20));
      }`;
    const replies = await runAll(3, code);
    expect(replies.map(({ body }) => body)).toEqual([
      { number: 0 },
      { error: 'An error has occurred: Error: boom' },
      { number: 2 },
    ]);
  });
});

describe('tagged logs', () => {
  it('tell the lines of activations apart, whole lines only, each ended by its sentinel', async () => {
    const code = `async function main({ number }) {
        process.stdout.write('first half ' + number);
        await new Promise((resolve) => setTimeout(resolve, 5 + (number % 3)));
        process.stdout.write(', second half\\nnext ');
        process.stdout.write(Buffer.from('☃ ' + number).subarray(0, 2));
        await null;
        process.stdout.write(Buffer.from('☃ ' + number).subarray(2));
        console.error('error of %d', number);
        return { number };
      }`;
    await runAll(20, code, { TETRIS_RUNTIME_LOG_TAGS: 'true' });
    await runtime.sentinels(20);
    for (let number = 0; number < 20; number += 1) {
      const id = `id-${number}`;
      expect(linesOf(runtime.stdout, id)).toEqual([`first half ${number}, second half`, `next ☃ ${number}`, SENTINEL]);
      expect(linesOf(runtime.stderr, id)).toEqual([`error of ${number}`, SENTINEL]);
    }
  });

  it('carry the id of the init in what the loading prints', async () => {
    await runAll(1, "console.log('loading'); function main() { console.log('running'); }", {
      TETRIS_RUNTIME_LOG_TAGS: 'true',
    });
    await runtime.sentinels(1);
    expect(linesOf(runtime.stdout, 'id-init')).toEqual(['loading']);
    expect(linesOf(runtime.stdout, 'id-0')).toEqual(['running', SENTINEL]);
  });

  it('give what lost its origin to the only running activation, and leave it bare without one', async () => {
    const code = `const timer = setInterval(() => console.log('tick'), 20);
      const main = () => new Promise((resolve) => setTimeout(resolve, 300, {}));`;
    await runAll(1, code, { TETRIS_RUNTIME_LOG_TAGS: 'true' });
    await runtime.sentinels(1);
    expect(linesOf(runtime.stdout, 'id-0')).toContain('tick');
    runtime.stdout = '';
    await until(() => runtime.stdout.includes('\ntick\n'), 'a bare tick');
    expect(linesOf(runtime.stdout, 'id-0')).toEqual([]);
  });
});
