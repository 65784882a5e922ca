import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  hasEnded,
  processIdentity,
  removeEmptyFolder,
  removeFolder,
  temporaryFolder,
  endProcess,
} from '@tetris/common';
import { spawnInTest } from '../../support/child';

describe('temporaryFolder', () => {
  let parent: string;
  beforeEach(() => (parent = mkdtempSync(join(tmpdir(), 'tetris-owned-'))));
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  /** A process that lives until it is killed. */
  async function owner() {
    const child = spawnInTest('sleep', ['600']);
    await once(child, 'spawn');
    const identity = processIdentity(child.pid);
    return { identity, kill: () => endProcess(child) };
  }

  const put = (name: string, owner: string): string => {
    const path = join(parent, name);
    mkdirSync(join(path, 'store/tensors'), { recursive: true });
    writeFileSync(join(path, '.owner'), owner);
    return path;
  };

  it('removes the folder of a process that was killed, with what is in it, and none of one that lives', async () => {
    const [killed, living] = [await owner(), await owner()];
    const [gone, kept] = [put('tetris-AbC123', killed.identity), put('tetris-DeF456', living.identity)];
    await killed.kill();
    const own = await temporaryFolder(parent);
    expect([existsSync(gone), existsSync(kept)]).toEqual([false, true]);
    await temporaryFolder(parent);
    expect(existsSync(own)).toBe(true);
    await removeFolder(own);
    expect(existsSync(own)).toBe(false);
    await living.kill();
  });

  it('leaves alone what is called otherwise, what says no owner, and what may be of another PID namespace', async () => {
    const ended = processIdentity().replace(/\d+$/, '1');
    put('tetris-bench-AbC123', ended);
    put('models', ended);
    put('tetris-AbC123', '');
    put('tetris-DeF456', `1-${process.pid}-1`);
    mkdirSync(join(parent, 'tetris-GhI789'));
    const before = readdirSync(parent);
    const own = await temporaryFolder(parent);
    expect(readdirSync(parent).sort()).toEqual([...before, basename(own)].sort());
  });

  it('is removed once it is empty, its owner aside', async () => {
    const own = await temporaryFolder(parent);
    mkdirSync(join(own, 'node0'));
    removeEmptyFolder(own);
    expect(existsSync(own)).toBe(true);
    rmSync(join(own, 'node0'), { recursive: true });
    removeEmptyFolder(own);
    expect(existsSync(own)).toBe(false);
  });

  it('tells a process from a later one with the same number', () => {
    const identity = processIdentity();
    expect(hasEnded(identity)).toBe(false);
    expect(hasEnded(identity.replace(/\d+$/, '1'))).toBe(true);
    expect(hasEnded('what is this')).toBe(false);
  });

  it('bad call: fails where there is no such parent', async () => {
    await expect(temporaryFolder(join(parent, 'nowhere'))).rejects.toThrow('ENOENT');
  });
});
