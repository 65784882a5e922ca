/**
 * A Docker engine of the test's own: no registry, its own data folder, cgroup and bridge network.
 *
 * Inside `inNamespace` (see `namespace.ts`):
 *
 * ```ts
 * const engine = engineOfTests();
 * it('...', async () => engine().docker('ps'));
 * ```
 *
 * Components that run as processes of their own (an invoker extension's `main.js`) are spawned from the test as usual;
 * they inherit the namespaces, reach containers by address, and find the engine at `engine.socketPath`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess } from '@tetris/common';
import { documented } from '../docs/documented';
import { BASE_IMAGE, importBaseImage } from './base-image';
import { mountMemory, namespaceCgroup, namespaceFolder } from './namespace';

/** For `beforeAll`: above the bounds of what it does together, which name what hangs. */
export const ENGINE_TIMEOUT_MS = 400_000;
/** Tag of the image that {@link Engine.runtimeImage} builds. */
export const RUNTIME_IMAGE = 'tetris/action-nodejs-tetris:test';
/** Tag of the image that {@link Engine.servicesImage} builds. */
const SERVICES_IMAGE = 'tetris/services:test';

const START_TIMEOUT_MS = 30_000;
const COMMAND_TIMEOUT_MS = 120_000;
const ROOT = join(__dirname, '../../..');
/** Room for the images: base, runtime and its build; pages are taken as they are written. */
const DATA_SIZE = '2g';
/** Of the bridge; free, because the network namespace is new. */
const BRIDGE_ADDRESS = '172.31.77.1/24';

export interface Engine {
  /** Path of the engine's Unix socket. */
  readonly socketPath: string;
  /** Runs the `docker` client against this engine; resolves to its standard output. */
  docker(...args: string[]): Promise<string>;
  /** Imports the machine's own Node as an image; idempotent. Resolves to its tag. */
  baseImage(): Promise<string>;
  /** Builds `action-runtime/Dockerfile` on top of {@link Engine.baseImage}; idempotent. Resolves to its tag. */
  runtimeImage(): Promise<string>;
  /** Builds `kubernetes/Dockerfile`, the image of the services, likewise. */
  servicesImage(): Promise<string>;
  /** Removes every container and ends the engine; idempotent. */
  stop(): Promise<void>;
}

/** For a file's tests: an engine that has the runtime image, from before the first of them to after the last. */
export function engineOfTests(): () => Engine {
  let engine: Engine | undefined;
  beforeAll(async () => {
    engine = await startEngine();
    await engine.runtimeImage();
  }, ENGINE_TIMEOUT_MS);
  afterAll(async () => engine?.stop(), ENGINE_TIMEOUT_MS);
  return () => {
    if (engine === undefined) throw new Error('the engine is started by beforeAll');
    return engine;
  };
}

/** Starts an engine. One per test file. */
export async function startEngine(): Promise<Engine> {
  const folder = mkdtempSync(join(namespaceFolder(), 'engine-'));
  const socketPath = join(folder, 'engine.sock');
  const logPath = join(folder, 'engine.log');
  // Images in memory: the engine syncs every layer that it writes.
  mountMemory(join(folder, 'data'), DATA_SIZE);
  const daemon = spawn('dockerd', engineArguments(folder, socketPath), {
    stdio: ['ignore', openSync(logPath, 'a'), openSync(logPath, 'a')],
  });
  const environment = { ...process.env, DOCKER_HOST: `unix://${socketPath}` };
  const run = async (command: string, args: readonly string[]): Promise<string> => {
    const options = { env: environment, cwd: ROOT, timeout: COMMAND_TIMEOUT_MS, maxBuffer: 16 * 1024 ** 2 };
    return (await promisify(execFile)(command, args, options)).stdout.trim();
  };
  const docker = (...args: string[]): Promise<string> => run('docker', args);

  /** By the documented command, with another tag and base. */
  const build = async (command: string, tag: string): Promise<string> => {
    await importBaseImage(folder, docker);
    const [script = ''] = command.split(' ');
    await run(join(ROOT, script), [tag, '--build-arg', `BASE_IMAGE=${BASE_IMAGE}`]);
    return tag;
  };

  await answering(daemon, () => docker('version', '--format', '{{.Server.Version}}'), logPath);
  return {
    socketPath,
    docker,
    baseImage: memoized(() => importBaseImage(folder, docker)),
    runtimeImage: memoized(() => build(documented('docs/operations.md', 'action-runtime/image.sh'), RUNTIME_IMAGE)),
    servicesImage: memoized(() => build(documented('docs/kubernetes.md', 'kubernetes/image.sh'), SERVICES_IMAGE)),
    stop: memoized(() => stop(daemon, docker)),
  };
}

function engineArguments(folder: string, socketPath: string): string[] {
  const paths = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')];
  const network = ['--bip', BRIDGE_ADDRESS, '--userland-proxy=false'];
  const settings = ['--pidfile', join(folder, 'engine.pid'), '--cgroup-parent', `/${namespaceCgroup()}`];
  return ['--host', `unix://${socketPath}`, ...paths, ...network, ...settings];
}

async function answering(daemon: ChildProcess, ask: () => Promise<string>, logPath: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch {
      if (daemon.exitCode !== null || Date.now() > deadline) {
        daemon.kill('SIGKILL');
        throw new Error(`the engine did not start:\n${readFileSync(logPath, 'utf8').slice(-4000)}`);
      }
      await sleep(50);
    }
  }
}

async function stop(daemon: ChildProcess, docker: Engine['docker']): Promise<void> {
  const containers = (await docker('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
  if (containers.length > 0) await docker('rm', '--force', ...containers);
  await endProcess(daemon, 'SIGTERM');
}

/** The same promise for every call. */
function memoized<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
