/** Containers of a test's kubelet as processes of this machine, with the folders that their pods mount. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '@tetris/invoker-extension';
import type { PodRuntime, RunningPod } from './kubelet';

const PORT = 8080;
const MEMORY_MS = 50;
const MIB = 1024 ** 2;

/** @param command program and arguments of an action runtime */
export function processRuntime(command: readonly string[]): PodRuntime {
  return { start: (pod, address, onOutput) => start(command, pod, address, onOutput) };
}

async function start(
  [program = '', ...args]: readonly string[],
  pod: Pod,
  address: string,
  onOutput: Parameters<PodRuntime['start']>[2],
): Promise<RunningPod> {
  const folder = mkdtempSync(join(tmpdir(), 'tetris-pod-'));
  const socketPath = join(folder, 's');
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...environmentOf(pod), TETRIS_RUNTIME_LISTEN: socketPath, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  const pid = child.pid ?? 0;
  child.stdout.on('data', (text: Buffer) => onOutput('stdout', text));
  child.stderr.on('data', (text: Buffer) => onOutput('stderr', text));
  const server = createServer((outside) => {
    const inside = connect(socketPath);
    inside.on('error', () => outside.destroy()).on('close', () => outside.destroy());
    outside.on('error', () => inside.destroy()).on('close', () => inside.destroy());
    outside.pipe(inside).pipe(outside);
  });
  // A port that nobody listens at refuses; one that is forwarded would not.
  void listening(socketPath, child).then((ready) => ready && server.listen(PORT, address));

  let outOfMemory = false;
  const kill = (): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  const limit = limitOf(pod);
  const watch = setInterval(() => {
    if ((anonymousBytes(pid) ?? 0) <= limit) return;
    outOfMemory = true;
    kill();
  }, MEMORY_MS);
  const ended = new Promise<{ exitCode: number; outOfMemory: boolean }>((resolve) => {
    child.once('close', (code) => {
      clearInterval(watch);
      kill();
      server.close();
      rmSync(folder, { recursive: true, force: true });
      resolve({ exitCode: code ?? 137, outOfMemory });
    });
  });
  return { ended, kill, privateBytes: () => anonymousBytes(pid) };
}

/** The pod's environment with paths of the node for those inside. */
function environmentOf({ spec }: Pod): Record<string, string> {
  const [container] = spec.containers;
  const paths = (container?.volumeMounts ?? []).flatMap(({ name, mountPath }) => {
    const path = spec.volumes?.find((volume) => volume.name === name)?.hostPath?.path;
    return path === undefined ? [] : [{ mountPath, path }];
  });
  const outside = (value: string): string => {
    for (const { mountPath, path } of paths) {
      if (value === mountPath || value.startsWith(`${mountPath}/`)) return path + value.slice(mountPath.length);
      // The views folder holds the mount of the own one.
      if (mountPath.startsWith(`${value}/`)) return join(path, '..');
    }
    return value;
  };
  return Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, outside(value)]));
}

function limitOf({ spec }: Pod): number {
  return Number.parseInt(spec.containers[0]?.resources?.limits?.['memory'] ?? '256Mi', 10) * MIB;
}

function anonymousBytes(pid: number): number | undefined {
  try {
    return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return undefined;
  }
}

async function listening(socketPath: string, child: { exitCode: number | null }): Promise<boolean> {
  while (child.exitCode === null) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(socketPath, () => {
        socket.destroy();
        resolve(true);
      }).on('error', () => resolve(false));
    });
    if (connected) return true;
    await new Promise((wait) => setTimeout(wait, 10));
  }
  return false;
}
