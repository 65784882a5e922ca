import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderDocuments } from '@tetris/common';

const parent = mkdtempSync(join(tmpdir(), 'tetris-documents-'));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const inFolder = (name: string): { folder: string; documents: FolderDocuments } => {
  const folder = join(parent, name);
  return { folder, documents: new FolderDocuments(folder) };
};

describe('documents in a folder', () => {
  it('are none while there is no folder, which the first change makes', async () => {
    const { documents } = inFolder('none');
    expect(await documents.getDocument('a')).toBeUndefined();
    await documents.changeDocument('a', () => 1);
    expect(await documents.getDocument('a')).toBe(1);
  });

  it('leave versions and half-written files of a minute ago behind, and nothing younger', async () => {
    const { folder, documents } = inFolder('old');
    for (let value = 1; value <= 3; value += 1) await documents.changeDocument('a', () => value);
    writeFileSync(join(folder, 'x.part'), '{"half');
    const before = readdirSync(folder);
    expect(before).toHaveLength(4);
    const longAgo = new Date(Date.now() - 120_000);
    for (const name of before) utimesSync(join(folder, name), longAgo, longAgo);
    writeFileSync(join(folder, 'y.part'), '{"half');
    await documents.changeDocument('a', () => 4);
    expect(readdirSync(folder).map((name) => name.replace(/^[0-9a-f]{64}/, 'a'))).toEqual(
      expect.arrayContaining(['a.4.json', 'y.part']),
    );
    expect(readdirSync(folder)).toHaveLength(2);
    expect(await documents.getDocument('a')).toBe(4);
  });

  it('bad call: name the file that is no JSON, and the folder that is none', async () => {
    const { folder, documents } = inFolder('broken');
    await documents.changeDocument('a', () => 1);
    const [name = ''] = readdirSync(folder);
    writeFileSync(join(folder, name), 'broken');
    await expect(documents.getDocument('a')).rejects.toMatchObject({
      code: 'ERR_DOCUMENT_INVALID',
      message: expect.stringContaining(join(folder, name)) as string,
    });
    const blocked = new FolderDocuments(join(folder, name));
    await expect(blocked.changeDocument('a', () => 1)).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: expect.stringContaining(name) as string,
    });
  });
});
