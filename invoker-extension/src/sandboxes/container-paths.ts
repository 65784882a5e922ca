/** Where a container with a file system of its own finds what it is given; the same under Docker and Kubernetes. */
import { basename, dirname, join, posix } from 'node:path';
import type { ContainerSpec } from './container';
import { instanceEnvironment } from './environment';

/** A registered model folder: its path inside containers and on the node. */
export interface ModelRoot {
  inside: string;
  outside: string;
}

/** `/models=/srv/models` or `/models`, as the daemon's key `modelRoots` has it. */
export function parseModelRoot(text: string): ModelRoot {
  const [inside = '', outside = inside] = text.split('=', 2);
  return { inside, outside };
}

/** What of the node containers see. */
export interface NodePaths {
  /** The daemon's instance socket on the node; its folder is mounted. Undefined without a daemon. */
  daemonSocketPath?: string | undefined;
  modelRoots: readonly ModelRoot[];
}

/** A folder of the node and where it is inside; all are read-only. */
export interface Mount {
  source: string;
  target: string;
}

/** Where every container listens. */
export const CONTAINER_PORT = 8080;
/** The container's own folder for temporary files. */
export const TEMPORARY_INSIDE = '/tmp';

const VIEWS_INSIDE = '/tetris/views';
const DAEMON_FOLDER_INSIDE = '/run/tetris';

/**
 * The daemon's folder and not its socket is mounted: a daemon that starts again makes a new socket, which a mount of
 * the old one would never see.
 */
export function mountsOf(spec: ContainerSpec, { daemonSocketPath, modelRoots }: NodePaths): Mount[] {
  return [
    ...(spec.viewPath === undefined
      ? []
      : [{ source: spec.viewPath, target: posix.join(VIEWS_INSIDE, spec.instance) }]),
    ...(daemonSocketPath === undefined ? [] : [{ source: dirname(daemonSocketPath), target: DAEMON_FOLDER_INSIDE }]),
    ...modelRoots.map(({ inside, outside }) => ({ source: outside, target: inside })),
  ];
}

/** The environment that goes with these mounts. */
export function mountedEnvironment(spec: ContainerSpec, paths: NodePaths): Record<string, string> {
  const { daemonSocketPath, modelRoots } = paths;
  return instanceEnvironment(spec, {
    listen: String(CONTAINER_PORT),
    daemonSocketPath: daemonSocketPath && join(DAEMON_FOLDER_INSIDE, basename(daemonSocketPath)),
    viewsPath: VIEWS_INSIDE,
    modelRoots: modelRoots.map((root) => root.inside),
    temporaryPath: TEMPORARY_INSIDE,
  });
}
