import { spawnSync } from 'node:child_process';
import { PluginError } from '@tetris/common/errors';

/** How processes that open models are confined. What the platform lacks is left out; {@link Sandbox.has} tells. */
export interface Sandbox {
  /** The command that runs `command` confined. */
  wrap(command: string[]): string[];
  /** The measures in force. */
  readonly has: readonly SandboxMeasure[];
  /** Largest file that it may write, where that is limited. */
  readonly fileBytesMax: number;
  /** The user that it runs under; 0: the daemon's own. */
  readonly user: number;
}

/**
 * No network; the first to go where the machine runs out of memory; no process that outlives it; limits of memory, file
 * size and core dumps; another user; death with the daemon.
 */
export type SandboxMeasure = 'network' | 'first-victim' | 'processes' | 'limits' | 'user' | 'parent-death';

export interface SandboxLimits {
  /** Private writable memory. */
  memoryBytesMax: number;
  /** Largest file it may write. */
  fileBytesMax: number;
  /** User and group id that it runs under; 0: the daemon's own. */
  user: number;
  /** The script that it runs, which that user must be able to read. */
  program: string;
}

/** A measure, and the command of util-linux that takes it before it runs the rest. */
type Wrapper = [SandboxMeasure, string[]];

const PROBE_TIMEOUT_MS = 5_000;

/**
 * Finds out once which measures this machine offers to this user.
 * @throws PluginError `ERR_CONFIG_INVALID` where another user is asked for and cannot be had, or cannot read the
 *   program
 */
export function detectSandbox({ memoryBytesMax, fileBytesMax, user, program }: SandboxLimits): Sandbox {
  const diesWithParent = ['setpriv', '--pdeathsig', 'KILL'];
  const wrappers: Wrapper[] = [
    ['network', ['unshare', '--net', '--']],
    // Before the next: it knows itself by its number, which is another one's in there.
    ['first-victim', ['choom', '-n', '1000', '--']],
    ['processes', [...diesWithParent, '--', 'unshare', '--pid', '--fork', '--kill-child', '--']],
    ['limits', ['prlimit', `--data=${memoryBytesMax}`, `--fsize=${fileBytesMax}`, '--core=0', '--']],
    // Before the next: a change of the user takes the death signal back.
    ...(user === 0 ? [] : [['user', asUser(user)] satisfies Wrapper]),
    ['parent-death', [...diesWithParent, '--no-new-privs', '--']],
  ];
  const usable = wrappers.filter(([, wrapper]) => succeeds([...wrapper, 'true']));
  const has = usable.map(([measure]) => measure);
  if (user !== 0 && !has.includes('user')) {
    throw new PluginError(
      'ERR_CONFIG_INVALID',
      `the optimizer cannot run as user ${user}: that takes root and setpriv`,
    );
  }
  if (user !== 0 && !succeeds([...asUser(user), 'test', '-r', program])) {
    throw new PluginError(
      'ERR_CONFIG_INVALID',
      `the optimizer cannot run as user ${user}, who may not read '${program}': install it in a folder that all may enter`,
    );
  }
  return {
    user,
    fileBytesMax,
    wrap: (command) => [...usable.flatMap(([, wrapper]) => wrapper), ...command],
    has,
  };
}

function succeeds([command = '', ...args]: string[]): boolean {
  return spawnSync(command, args, { timeout: PROBE_TIMEOUT_MS }).status === 0;
}

function asUser(user: number): string[] {
  return ['setpriv', '--reuid', String(user), '--regid', String(user), '--clear-groups', '--'];
}
