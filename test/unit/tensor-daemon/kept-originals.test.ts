import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '@tetris/common';
import { KeptOriginals } from '../../../tensor-daemon/src/tier/kept-originals';
import { tmpfsFolder } from '../../support/daemon';

describe('KeptOriginals', () => {
  const root = tmpfsFolder('tetris-kept-test-');
  const folder = join(root, 'originals');
  const log = createLogger('test', 'silent');
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** A file of 100 bytes by its name. */
  const original = (index: number): { name: string; path: string } => {
    const content = `original ${index} `.repeat(20).slice(0, 100);
    const path = join(root, String(index));
    writeFileSync(path, content);
    return { name: createHash('sha256').update(content).digest('hex'), path };
  };
  const opened = (bytesMax = 300): KeptOriginals => {
    const kept = new KeptOriginals({ folder, bytesMax }, log);
    kept.recover();
    return kept;
  };
  const [one, two, three, four] = [1, 2, 3, 4].map(original) as [
    ReturnType<typeof original>,
    ...ReturnType<typeof original>[],
  ];
  const keepAll = async (kept: KeptOriginals, ...all: (typeof one | undefined)[]): Promise<void> => {
    for (const each of all) if (each !== undefined) await kept.keep(each.name, each.path);
  };

  it('keeps whole files under their names, within its bytes, and lets go what was not asked for longest', async () => {
    const kept = opened();
    await keepAll(kept, one, two, three);
    expect(kept.bytes).toBe(300);
    expect(readFileSync(kept.use(one.name) ?? '')).toEqual(readFileSync(one.path));
    await keepAll(kept, four);
    expect(kept.use(two?.name ?? '')).toBeUndefined();
    expect(readdirSync(folder).sort()).toEqual([one, three, four].map((each) => each?.name).sort());
  });

  it('goes on with what an earlier one has kept, in the order of its use, and removes what that has not finished', async () => {
    await keepAll(opened(), one, two);
    utimesSync(join(folder, one.name), 2_000, 2_000);
    utimesSync(join(folder, two?.name ?? ''), 1_000, 1_000);
    writeFileSync(join(folder, `.${three?.name}`), 'half');
    writeFileSync(join(folder, 'notes.txt'), 'not ours');
    const again = opened(100);
    expect(readdirSync(folder)).toEqual([one.name]);
    expect(again.bytes).toBe(100);
  });

  it('expected failure: what is larger than all may be, or gone, is not kept, and costs nothing else its place', async () => {
    const kept = opened(100);
    await keepAll(kept, one);
    const large = join(root, 'large');
    writeFileSync(large, Buffer.alloc(101));
    await kept.keep('a'.repeat(64), large);
    await kept.keep('b'.repeat(64), join(root, 'gone'));
    expect(readdirSync(folder)).toEqual([one.name]);
  });

  it('offers what it has to those who share it, and forgets what was refuted', async () => {
    const kept = opened();
    await keepAll(kept, one);
    const wanted = { name: one.name, sha256: one.name, bytes: 100, tenant: { namespace: '', scope: '' } };
    const offers = async (name: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const offer of kept.originals({ ...wanted, name })) {
        found.push(offer.from);
        offer.reject({ kind: 'original', sha256: one.name, bytes: 100 });
      }
      return found;
    };
    expect(await offers(`${'a'.repeat(64)}-${one.name}`)).toEqual([]);
    expect(await offers(one.name)).toEqual(['disk']);
    expect(await offers(one.name)).toEqual([]);
    expect(existsSync(join(folder, one.name))).toBe(false);
  });
});
