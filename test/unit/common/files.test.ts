import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashFile, hashStream, isInside } from '../../../common/src/files';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('hashFile', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hash-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([0, 1, 1024 ** 2, 3 * 1024 ** 2 + 17])(
    'hashes a file of %d bytes by its path and by its handle',
    async (size) => {
      const bytes = Buffer.alloc(size, 'tetris');
      const path = join(folder, String(size));
      writeFileSync(path, bytes);
      const file = await open(path);
      try {
        expect(await hashFile(file)).toBe(sha256(bytes));
        // Read by position: the handle is where it was.
        expect((await file.readFile()).equals(bytes)).toBe(true);
      } finally {
        await file.close();
      }
      expect(await hashFile(path)).toBe(sha256(bytes));
    },
  );

  it('expected failure: says what is wrong with a file', async () => {
    await expect(hashFile(join(folder, 'nothing'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(hashFile(folder)).rejects.toMatchObject({ code: 'EISDIR' });
  });

  it('hashes chunks as one', async () => {
    expect(await hashStream([Buffer.from('tet'), Buffer.from('ris')])).toBe(sha256(Buffer.from('tetris')));
  });
});

describe('isInside', () => {
  it.each([
    ['/models', '/models', true],
    ['/models', '/models/a/b', true],
    ['/models/', '/models/a', true],
    ['/', '/models', true],
    ['/models', '/models-of-others/a', false],
    ['/models/a', '/models', false],
    ['/models', '', false],
  ])('%s, %s: %s', (folder, path, inside) => {
    expect(isInside(folder, path)).toBe(inside);
  });
});
