/** Memory of a Docker container, from its cgroup (version 1 or 2). */
import { readFile } from 'node:fs/promises';

const CGROUPS = '/sys/fs/cgroup';

/** Folder of the memory cgroup of a process. @throws when the process is gone */
export async function memoryCgroup(pid: number): Promise<string> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).split('\n').map((line) => line.split(':'));
  const version1 = lines.find(([, controllers]) => controllers?.split(',').includes('memory'));
  if (version1 !== undefined) return `${CGROUPS}/memory${version1[2]}`;
  return `${CGROUPS}${lines.find(([id]) => id === '0')?.[2] ?? ''}`;
}

/**
 * What a container does not share, bytes: anonymous memory, its own shared-memory files, and the kernel's memory for
 * it. Pages of tensor files are charged to the daemon, which touched them first; page cache can be dropped at any time.
 * Undefined once the cgroup is gone.
 */
export async function cgroupPrivateBytes(cgroup: string): Promise<number | undefined> {
  try {
    const stat = fields(await readFile(`${cgroup}/memory.stat`, 'utf8'));
    const version1 = stat.has('total_rss');
    if (!version1) return sum(stat, ['anon', 'shmem', 'kernel_stack', 'pagetables', 'slab']);
    const kernel = Number(await readFile(`${cgroup}/memory.kmem.usage_in_bytes`, 'utf8').catch(() => '0'));
    return sum(stat, ['total_rss', 'total_shmem']) + kernel;
  } catch {
    return undefined;
  }
}

function fields(text: string): Map<string, number> {
  const pairs = text.split('\n').map((line): [string, number] => {
    const [name = '', value = '0'] = line.split(' ');
    return [name, Number(value)];
  });
  return new Map(pairs);
}

function sum(stat: ReadonlyMap<string, number>, names: readonly string[]): number {
  return names.reduce((bytes, name) => bytes + (stat.get(name) ?? 0), 0);
}
