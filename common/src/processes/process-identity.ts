/** A process told from a later one with the same number, by Linux's /proc. */
import { readFileSync, readlinkSync } from 'node:fs';

const PATTERN = /^(\d+)-(\d+)-(\d+)$/;

/** `namespace-pid-start`: the inode of the PID namespace, the number in it, and the start in clock ticks after boot. */
export function processIdentity(pid = process.pid): string {
  return `${pidNamespace()}-${pid}-${startTicks(pid) ?? 0}`;
}

/** Whether a process of that identity has ended; false where that cannot be told, as from another PID namespace. */
export function hasEnded(identity: string): boolean {
  const [, namespace, pid, start] = PATTERN.exec(identity) ?? [];
  if (pid === undefined || namespace !== pidNamespace()) return false;
  return startTicks(Number(pid)) !== Number(start);
}

/** A zombie has ended, though its number is still taken. */
function startTicks(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in parentheses, may hold anything; the state is the field after it, the start the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
}
