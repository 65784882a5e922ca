import { TOKEN_VARIABLE } from './process-environments';
import { INSTANCE_ENVIRONMENT, TETRIS_KIND } from '@tetris/common';
import type { ContainerSpec } from './container';

/** What a factory knows about its containers and the runtime has to be told. Paths are as seen inside. */
export interface InsidePaths {
  /** Port number or path of a Unix socket. */
  listen: string;
  /** The daemon's instance socket; undefined: private sessions. */
  daemonSocketPath?: string | undefined;
  /** Folder in which `LeaseGrant.view` is found. */
  viewsPath?: string | undefined;
  /** Registered model folders. */
  modelRoots: readonly string[];
  /** The container's own folder for temporary files. */
  temporaryPath: string;
}

/** The environment by which the action runtime knows its place; the same in every kind of container. */
export function instanceEnvironment(spec: ContainerSpec, inside: InsidePaths): Record<string, string> {
  const shares = spec.viewPath !== undefined && inside.daemonSocketPath !== undefined && inside.viewsPath !== undefined;
  return {
    TETRIS_RUNTIME_LISTEN: inside.listen,
    [TOKEN_VARIABLE]: spec.instance,
    TETRIS_RUNTIME_LOG_TAGS: 'true',
    TETRIS_RUNTIME_WARM_UP: String(spec.kind === TETRIS_KIND),
    ...(inside.modelRoots.length === 0 ? {} : { TETRIS_RUNTIME_MODEL_ROOTS: inside.modelRoots.join(',') }),
    ...(shares
      ? { TETRIS_RUNTIME_DAEMON_SOCKET: inside.daemonSocketPath ?? '', TETRIS_RUNTIME_VIEWS: inside.viewsPath ?? '' }
      : {}),
    ...INSTANCE_ENVIRONMENT,
    TMPDIR: inside.temporaryPath,
    ...spec.env,
  };
}
