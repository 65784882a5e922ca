import { once } from 'node:events';
import { link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderBytes } from '../../../../bench/src/measure/folder-bytes';
import { processMemory, processTree, splitMappings } from '../../../../bench/src/measure/process-memory';
import { spawnInTest } from '../../../support/child';

const SMAPS = `00400000-00401000 r-xp 00000000 fe:00 123                        /usr/bin/node
Rss:                   8 kB
Pss:                   4 kB
Pss_Dirty:             4 kB
Private_Clean:         1 kB
Private_Dirty:         2 kB
7f0000000000-7f0000100000 r--p 00000000 00:1a 77                         /dev/shm/store/views/i/m/tensor with blank
Rss:                1024 kB
Pss:                 512 kB
Private_Clean:       256 kB
7f0000200000-7f0000300000 r--p 00000000 00:1a 78                         /dev/shm/store-of-others/tensor
Pss:                  32 kB
7f0000400000-7f0000500000 rw-p 00000000 00:00 0 
Pss:                  16 kB
Private_Clean:         0 kB
Private_Dirty:        16 kB
Private_Hugetlb:    2048 kB
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
Pss:                   2 kB
`;

describe('memory of processes', () => {
  it('tells mappings of the store from all others', () => {
    const apart = { ownBytes: 54 * 1024, storeBytes: 512 * 1024, uniqueBytes: 19 * 1024 };
    expect(splitMappings(SMAPS, '/dev/shm/store')).toEqual(apart);
    expect(splitMappings(SMAPS, '/dev/shm/store/')).toEqual(apart);
    expect(splitMappings(SMAPS)).toEqual({ ownBytes: 566 * 1024, storeBytes: 0, uniqueBytes: 275 * 1024 });
  });

  it('counts what a process really holds, and nothing once it has ended', async () => {
    const source =
      "globalThis.held = Buffer.alloc(64 * 1024 ** 2, 1); process.send('ready'); setInterval(() => {}, 1e6)";
    const child = spawnInTest(process.execPath, ['-e', source], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const pid = child.pid ?? 0;
    try {
      await once(child, 'message');
      expect(processTree(process.pid)).toContain(pid);
      expect(processTree(process.pid, [pid])).not.toContain(pid);
      expect(processMemory([pid]).ownBytes).toBeGreaterThan(64 * 1024 ** 2);
    } finally {
      child.kill('SIGKILL');
    }
    await once(child, 'exit');
    expect(processMemory([pid])).toEqual({ ownBytes: 0, storeBytes: 0, uniqueBytes: 0 });
  });
});

describe('bytes of a folder', () => {
  it('counts a file with several names once, and by its allocated blocks', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tetris-bytes-'));
    try {
      await mkdir(join(folder, 'views'));
      const empty = await folderBytes(folder);
      await writeFile(join(folder, 'tensor'), Buffer.alloc(1024 ** 2, 1));
      const once = await folderBytes(folder);
      await link(join(folder, 'tensor'), join(folder, 'views', 'tensor'));
      expect(once - empty).toBeGreaterThanOrEqual(1024 ** 2);
      expect(await folderBytes(folder)).toBe(once);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is zero where there is no folder', async () => {
    expect(await folderBytes('/nonexistent/store')).toBe(0);
  });
});
