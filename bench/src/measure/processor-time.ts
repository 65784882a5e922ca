import { readFile } from 'node:fs/promises';

/** Of Linux's clock for processes, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has had until now, all of its threads, ms; 0 for one that is gone. */
export async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The command's name, in parentheses, may hold anything; user and system time are the 12th and 13th after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 1000) / TICKS_PER_SECOND;
}
