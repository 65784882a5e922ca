import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '@tetris/common';

describe('makeFolder', () => {
  let parent: string;
  beforeEach(() => (parent = mkdtempSync(join(tmpdir(), 'tetris-make-'))));
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  it('makes every level that is missing, each with the mode, and takes one that is there', () => {
    const path = join(parent, 'a/b/c');
    makeFolder(path, 0o700);
    makeFolder(path, 0o755);
    for (const level of ['a', 'a/b', 'a/b/c']) expect(statSync(join(parent, level)).mode & 0o777).toBe(0o700);
  });

  it.each(['/proc/x', '/proc/x/y/z', '/proc/self/fd/x/y'])(
    'expected failure: ends with an error where a folder takes none: %s',
    (path) => {
      expect(() => makeFolder(path)).toThrow(/ENOENT|EACCES|EPERM/);
    },
  );

  it('expected failure: tells of a file in the way', () => {
    const file = join(parent, 'file');
    writeFileSync(file, '');
    expect(() => makeFolder(file)).toThrow('EEXIST');
    expect(() => makeFolder(join(file, 'below'))).toThrow('ENOTDIR');
  });
});
