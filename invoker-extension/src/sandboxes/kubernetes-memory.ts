/** Where kubelet puts the control group of a pod. Source: kubelet's cgroup drivers, `cgroupfs` and `systemd`. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

const CLASSES = ['burstable', 'besteffort', 'guaranteed'] as const;

/** Folders that a pod's memory may be accounted in: version 2 and 1, either driver, each class of service. */
export function podCgroups(root: string, uid: string): string[] {
  const slice = uid.replaceAll('-', '_');
  return [root, join(root, 'memory')].flatMap((tree) =>
    CLASSES.flatMap((name) => {
      const guaranteed = name === 'guaranteed';
      return [
        join(tree, 'kubepods', guaranteed ? '' : name, `pod${uid}`),
        join(
          tree,
          'kubepods.slice',
          guaranteed ? '' : `kubepods-${name}.slice`,
          `kubepods-${guaranteed ? '' : `${name}-`}pod${slice}.slice`,
        ),
      ];
    }),
  );
}

/** The one that is there; undefined where none is, as with a kubelet in a container of its own. */
export async function findCgroup(root: string, uid: string): Promise<string | undefined> {
  for (const folder of podCgroups(root, uid)) {
    if (await stat(join(folder, 'memory.stat')).catch(() => undefined)) return folder;
  }
  return undefined;
}
