import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = `
const { createLogger } = require(${JSON.stringify(join(__dirname, '../../common'))});
const log = createLogger('invoker0', 'warn');
log.info('not told');
log.warn({ instance: 'i1' }, 'instance lost');
`;

describe('createLogger', () => {
  let folder: string;
  let program: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tetris-log-'));
    program = join(folder, 'log.js');
    writeFileSync(program, PROGRAM);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('writes JSON lines where nobody looks at them', () => {
    const { stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
    expect(JSON.parse(stderr)).toMatchObject({
      level: 40,
      component: 'invoker0',
      instance: 'i1',
      msg: 'instance lost',
    });
  });

  it('writes lines for people in a terminal', () => {
    const command = `NO_COLOR=1 '${process.execPath}' '${program}'`;
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8', input: '' });
    expect(stdout.trim()).toMatch(/^\[\d\d:\d\d:\d\d\] WARN: invoker0: instance lost \{"instance":"i1"\}$/);
  });
});
