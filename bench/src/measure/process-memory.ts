import { readdirSync, readFileSync } from 'node:fs';
import { sep } from 'node:path';

/** Memory of some processes, bytes. */
export interface ProcessMemory {
  /**
   * Proportional set size without the store's files: a page that n processes map counts 1/n in each, so that sums over
   * processes are true. Pages of the store are left out because the store is counted by itself, whole and once.
   */
  ownBytes: number;
  /** Proportional set size of the store's files. */
  storeBytes: number;
  /**
   * Pages that no other process maps, without the store's files: by so much all processes together take more than they
   * would without these. The code that all map is in it only where a single one does.
   */
  uniqueBytes: number;
}

/** By then garbage collectors and allocators are at rest: V8 gives back what a start has left behind in seconds, ms. */
export const AT_REST_MS = 11_000;

/** By then an instance has given back what its last activation has freed, ms: its runtime waits for two seconds. */
export const TRIMMED_MS = 2_500;

const NOTHING: Readonly<ProcessMemory> = { ownBytes: 0, storeBytes: 0, uniqueBytes: 0 };

/** A process and everything that it started and that still runs, parents first, without the trees of `except`. */
export function processTree(pid: number, except: readonly number[] = []): number[] {
  const found = [pid];
  for (const parent of found) found.push(...childrenOf(parent).filter((child) => !except.includes(child)));
  return found;
}

/** What these processes occupy. Processes that have ended count nothing. */
export function processMemory(pids: readonly number[], storePath?: string): ProcessMemory {
  const total: ProcessMemory = { ...NOTHING };
  for (const pid of pids) {
    const { ownBytes, storeBytes, uniqueBytes } = splitMappings(readProc(`/proc/${pid}/smaps`), storePath);
    total.ownBytes += ownBytes;
    total.storeBytes += storeBytes;
    total.uniqueBytes += uniqueBytes;
  }
  return total;
}

/** A mapping's first line: `from-to perms offset device inode   path`. */
const MAPPING = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$/;

/** Sums the sizes of a `smaps` text, apart for files under `storePath`. */
export function splitMappings(smaps: string, storePath?: string): ProcessMemory {
  const memory: ProcessMemory = { ...NOTHING };
  const prefix = storePath === undefined ? undefined : storePath.replace(/\/*$/, sep);
  let inStore = false;
  for (const line of smaps.split('\n')) {
    const path = MAPPING.exec(line)?.[1];
    if (path !== undefined) inStore = prefix !== undefined && path.startsWith(prefix);
    else if (line.startsWith('Pss:')) memory[inStore ? 'storeBytes' : 'ownBytes'] += kilobytes(line);
    else if (!inStore && line.startsWith('Private_') && !line.startsWith('Private_Hugetlb'))
      memory.uniqueBytes += kilobytes(line);
  }
  return memory;
}

/** Of a line such as `Pss:  12 kB`, bytes. */
const kilobytes = (line: string): number => 1024 * parseInt(line.slice(line.indexOf(':') + 1), 10);

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readProc(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Empty where the process has ended meanwhile. */
function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
