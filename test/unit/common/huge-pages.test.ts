import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountHugePages, removeFolder, removeFolderNow } from '../../../common/src';

const MIB = 1024 ** 2;
const mountOf = (folder: string): string | undefined =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((line) => line.includes(` ${folder.replaceAll(' ', '\\040')} `));

describe('mountHugePages', () => {
  it.each([
    ['removeFolder', removeFolder],
    ['removeFolderNow', async (folder: string) => removeFolderNow(folder)],
  ])('mounts a file system that %s unmounts, or says why it may not', async (_name, remove) => {
    const parent = mkdtempSync(join(tmpdir(), 'huge pages-'));
    const folder = join(parent, 'store');
    mkdirSync(folder);
    const reason = await mountHugePages(folder, 8 * MIB);
    writeFileSync(join(folder, 'file'), 'x');
    if (reason === undefined) expect(mountOf(folder)).toContain('huge=within_size');
    else expect([mountOf(folder), reason]).toEqual([undefined, expect.stringMatching(/./)]);
    await remove(parent);
    expect(mountOf(folder)).toBeUndefined();
    expect(() => readdirSync(parent)).toThrow('ENOENT');
  });

  it('expected failure: says why, where the folder is not there', async () => {
    expect(await mountHugePages(join(tmpdir(), 'no-such-folder-of-mine'), 8 * MIB)).toMatch(/./);
  });
});
