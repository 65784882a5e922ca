import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { claimFolder } from '../../../tensor-daemon/src/store/lock';
import { tmpfsFolder } from '../../support/daemon';

/** The same lock as another process takes it, and whatever namespaces it is in: it says so, and holds it. */
const HOLDER = ['flock', '--nonblock', '--no-fork', 'lock', 'sh', '-c', 'echo held; exec sleep 60'];

describe('claimFolder', () => {
  const folder = tmpfsFolder('tetris-lock-');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is one at a time, and free again when released', () => {
    const release = claimFolder(folder);
    expect(() => claimFolder(folder)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    expect(() => claimFolder(folder)).toThrow(/another daemon serves the store/);
    release();
    claimFolder(folder)();
  });

  const inOtherNetwork = ['unshare', '--net', '--map-root-user', '--'];
  const canUnshare = spawnSync(inOtherNetwork[0] ?? '', [...inOtherNetwork.slice(1), 'true']).status === 0;

  it.each([
    ['another process', []],
    ...(canUnshare ? ([['a process in another network', inOtherNetwork]] as [string, string[]][]) : []),
  ])('is refused while %s has it, and not when that is killed', async (_what, prefix) => {
    const [command = '', ...args] = [...prefix, ...HOLDER];
    const holder = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(holder.stdout, 'data');
      expect(() => claimFolder(folder)).toThrow(/another daemon serves the store/);
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'close');
    }
    claimFolder(folder)();
  });

  it('bad call: a folder that is none', () => {
    expect(() => claimFolder(join(folder, 'absent'))).toThrow(/ENOENT/);
  });
});
