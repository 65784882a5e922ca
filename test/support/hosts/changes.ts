import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';

/** What a path is: its kind, mode and owner, and of a file or link a digest of what it holds. */
export type Change = string;

/** What any Linux writes by itself, and what a user's removal leaves as a copy of the file before. */
const NOISE =
  /^\/(?:proc|sys|dev|run|tmp)(?:\/|$)|^\/var\/(?:log|cache|tmp\/systemd-|lib\/(?:systemd|docker|containerd|dbus))(?:\/|$)|^\/root\/\.ansible(?:\/|$)|^\/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-$|^\/etc\/(?:\.pwd\.lock|\.updated|machine-id|resolv\.conf)$|^\/var\/\.updated$/;

/** Paths below the upper layer of an overlay over `/` that are other than in `/`, with what they are. */
export function changesIn(upper: string): Map<string, Change> {
  const changes = new Map<string, Change>();
  const visit = (path: string): void => {
    for (const { name } of readdirSync(join(upper, path), { withFileTypes: true })) {
      const inside = `${path}/${name}`;
      if (NOISE.test(inside)) continue;
      const stats = lstatSync(join(upper, inside));
      const now = describe(join(upper, inside), stats);
      if (now !== describe(inside)) changes.set(inside, now);
      if (stats.isDirectory()) visit(inside);
    }
  };
  visit('');
  return changes;
}

function describe(path: string, stats: Stats | undefined = lstatSync(path, { throwIfNoEntry: false })): Change {
  if (stats === undefined) return 'absent';
  // So an overlay says that a file of the lower layer is gone.
  if (stats.isCharacterDevice() && stats.rdev === 0) return 'absent';
  const owner = `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid}`;
  if (stats.isSymbolicLink()) return `link ${readlinkSync(path)}`;
  if (stats.isDirectory()) return `folder ${owner}`;
  if (!stats.isFile()) return `special ${owner}`;
  return `file ${owner} ${createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)}`;
}
