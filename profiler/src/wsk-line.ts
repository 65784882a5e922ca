/** The command that makes an action as it was measured. Pure. */
import { basename, extname } from 'node:path';
import { givenBytes, type ModelProfile, type UsableEntry } from '@tetris/invoker-extension';

const MIB = 1024 ** 2;

/** OpenWhisk's least memory limit of an action, MB. */
const MEMORY_MB_MIN = 128;

export function wskLine({ name, sha256, bytes }: ModelProfile, entry: UsableEntry, sloMs: number | undefined): string {
  const { batch } = entry.point;
  const memory = Math.max(MEMORY_MB_MIN, Math.ceil(givenBytes(entry) / MIB));
  const action = basename(name, extname(name)).replace(/[^\w-]/g, '-') || 'model';
  const annotations = [
    ...(sloMs === undefined ? [] : [`-a tetris-slo ${sloMs}`]),
    ...(batch > 1 ? [`-a tetris-batching ${batch}`] : []),
    `-a tetris-profile ${sha256}-${bytes}`,
  ];
  return `wsk action update ${action} ${action}.zip --kind nodejs:tetris -m ${memory} ${annotations.join(' ')}`;
}
