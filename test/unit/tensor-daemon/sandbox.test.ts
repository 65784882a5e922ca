import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { detectSandbox } from '../../../tensor-daemon/src/ingest/sandbox';

const OTHER_USER = 65534;
const LIMITS = { memoryBytesMax: 1e9, fileBytesMax: 1e9 };

/** Changing the user takes root. */
const itAsRoot = process.getuid?.() === 0 ? it : it.skip;

describe('the sandbox of the optimizer', () => {
  it('runs under the own user where none is named', () => {
    const sandbox = detectSandbox({ ...LIMITS, user: 0, program: '/nowhere' });
    expect(sandbox.has).not.toContain('user');
    expect(sandbox.wrap(['true']).at(-1)).toBe('true');
  });

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
