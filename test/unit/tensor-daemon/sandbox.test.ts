import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { detectSandbox } from '../../../tensor-daemon/src/ingest/sandbox';
import { until } from '../../support/until';
import { itAsRoot } from '../../support/as-root';
import { spawnInTest } from '../../support/child';

const OTHER_USER = 65534;
const LIMITS = { memoryBytesMax: 1e9, fileBytesMax: 1e9 };

describe('the sandbox of the optimizer', () => {
  it('runs under the own user where none is named', () => {
    const sandbox = detectSandbox({ ...LIMITS, user: 0, program: '/nowhere' });
    expect(sandbox.has).not.toContain('user');
    expect(sandbox.wrap(['true']).at(-1)).toBe('true');
  });

  itAsRoot(
    'ends with everything that was started in it, and first where memory is short',
    async () => {
      const sandbox = detectSandbox({ ...LIMITS, user: 0, program: '/nowhere' });
      expect(sandbox.has).toEqual(['network', 'first-victim', 'processes', 'limits', 'parent-death']);
      // One that leaves its session and its parents behind; it shows itself by the lines it appends.
      const script =
        'cat /proc/self/oom_score_adj; setsid sh -c "while :; do echo alive >> $1; sleep 0.02; done" x "$1" & sleep 60';
      const folder = mkdtempSync(join(tmpdir(), 'tetris-sandbox-'));
      const lines = join(folder, 'lines');
      const [command = '', ...args] = sandbox.wrap(['sh', '-c', script, 'sh', lines]);
      const child = spawnInTest(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
      const closed = once(child, 'close');
      try {
        await until(() => existsSync(lines) && said !== '', 'the stray process runs');
        expect(said.trim()).toBe('1000');
        child.kill('SIGKILL');
        // Its end closes the pipe, which the stray process has open too.
        await closed;
        const { size } = statSync(lines);
        await sleep(200);
        expect(statSync(lines).size).toBe(size);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    30_000,
  );

  itAsRoot('bad call: takes no user who may not read the program', () => {
    // A fresh folder is its maker's alone.
    const closed = mkdtempSync(join(tmpdir(), 'tetris-closed-'));
    const program = join(closed, 'program.js');
    writeFileSync(program, '');
    try {
      expect(() => detectSandbox({ ...LIMITS, user: OTHER_USER, program })).toThrow(/may not read .*program\.js/);
    } finally {
      rmSync(closed, { recursive: true });
    }
  });
});
