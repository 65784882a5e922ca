/** What an instance gives back of the memory that was freed, and when: a process with an instance's environment. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { INSTANCE_ENVIRONMENT } from '@tetris/common';

const run = promisify(execFile);
const TRIM = join(__dirname, '../../action-runtime/dist/inference/trim.js');
const FREED_MB = 120;

/** Frees memory, then an activation ends. @returns own memory before and after that, MB */
async function own(limitMb: number, afterMs: number): Promise<{ before: number; after: number }> {
  const script = `
    const { trimAtRest, trimWithin } = require(${JSON.stringify(TRIM)});
    const { setTimeout: delay } = require('timers/promises');
    const own = () => Number(/RssAnon:\\s+(\\d+)/.exec(require('fs').readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
    const use = () => Array.from({ length: ${FREED_MB} }, () => Buffer.allocUnsafeSlow(2 ** 20).fill(1)).length;
    const main = async () => {
      trimWithin(${limitMb} * 2 ** 20);
      use();
      gc();
      await delay(200);
      const before = own();
      trimAtRest();
      await delay(${afterMs});
      console.log(JSON.stringify({ before, after: own() }));
    };
    void main();`;
  const { stdout } = await run(process.execPath, ['--expose-gc', '-e', script], {
    env: { PATH: process.env.PATH, ...INSTANCE_ENVIRONMENT },
  });
  return JSON.parse(stdout) as { before: number; after: number };
}

describe('an instance', () => {
  it('keeps what was freed for its next run, until it is at rest', async () => {
    const [busy, rested] = await Promise.all([own(4096, 200), own(4096, 4_000)]);
    expect(busy.before).toBeGreaterThan(FREED_MB);
    expect(busy.after).toBeGreaterThan(FREED_MB);
    expect(rested.after).toBeLessThan(FREED_MB / 2);
  });

  it('gives it back when an activation has ended where it nears its limit', async () => {
    const { before, after } = await own(160, 500);
    expect(before).toBeGreaterThan(FREED_MB);
    expect(after).toBeLessThan(FREED_MB / 2);
  });
});
