import { spawnSync } from 'node:child_process';

/** How the optimizer process is confined. What the platform does not offer is left out, and {@link Sandbox.has} tells. */
export interface Sandbox {
  /** The command that runs `command` confined. */
  wrap(command: string[]): string[];
  /** The measures in force. */
  readonly has: readonly SandboxMeasure[];
}

/** No network; limits of memory, file size and core dumps; death with the daemon. */
export type SandboxMeasure = 'network' | 'limits' | 'parent-death';

export interface SandboxLimits {
  /** Private writable memory. */
  memoryBytesMax: number;
  /** Largest file it may write. */
  fileBytesMax: number;
}

/** A measure, and the command of util-linux that takes it before it runs the rest. */
type Wrapper = [SandboxMeasure, string[]];

const PROBE_TIMEOUT_MS = 5_000;

/** Finds out once which measures this machine offers to this user. */
export function detectSandbox({ memoryBytesMax, fileBytesMax }: SandboxLimits): Sandbox {
  const wrappers: Wrapper[] = [
    ['network', ['unshare', '--net', '--']],
    ['limits', ['prlimit', `--data=${memoryBytesMax}`, `--fsize=${fileBytesMax}`, '--core=0', '--']],
    ['parent-death', ['setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--']],
  ];
  const usable = wrappers.filter(([, [command = '', ...args]]) => {
    return spawnSync(command, [...args, 'true'], { timeout: PROBE_TIMEOUT_MS }).status === 0;
  });
  return {
    wrap: (command) => [...usable.flatMap(([, wrapper]) => wrapper), ...command],
    has: usable.map(([measure]) => measure),
  };
}
