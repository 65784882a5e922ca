/** The platform as `npm start` gives it, in a process of its own, so that whoever asks it takes nothing from it but cores. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Cleanups, privateFolder } from '../demo/cleanups';
import { folderBytes } from '../measure/folder-bytes';
import { processMemory, processTree } from '../measure/process-memory';
import { freePort, serverFolder, ServerProcess } from '../servers/server-process';
import { PlatformClient } from './client';

/** No limit that is about tenants. */
const SETTINGS = {
  TETRIS_STANDALONE_INVOCATIONS_PER_MINUTE: '1000000',
  TETRIS_STANDALONE_CONCURRENT_INVOCATIONS: '10000',
  TETRIS_STANDALONE_MEMORY_MAX_MB: '8192',
  TETRIS_STANDALONE_STOP_TIMEOUT_MS: '3000',
};

export interface PlatformServerOptions {
  modelRoots: readonly string[];
  /** Of its node, as `--memory` takes it. */
  memory: string;
  /** Settings of any component, by their environment names. */
  settings?: Readonly<Record<string, string>>;
}

/** What a platform occupies, bytes: processes by proportional set size without the store, and the store once. */
export interface PlatformMemory {
  instances: number;
  instanceBytes: number;
  storeBytes: number;
  daemonBytes: number;
  /** Controller, load balancer and invoker. */
  frontBytes: number;
}

export class PlatformServer {
  readonly client: PlatformClient;
  readonly #server: ServerProcess;
  readonly #store: string;

  private constructor(server: ServerProcess, client: PlatformClient, store: string) {
    this.#server = server;
    this.client = client;
    this.#store = store;
  }

  /** Resolves when it takes actions. Ended by the cleanups, with its store. */
  static async start(
    { modelRoots, memory, settings = {} }: PlatformServerOptions,
    cleanups: Cleanups,
  ): Promise<PlatformServer> {
    const store = await privateFolder('/dev/shm', cleanups);
    const [port, folder, auth] = [await freePort(), await serverFolder(), `${randomUUID()}:${'b'.repeat(64)}`];
    const client = new PlatformClient({ url: `http://127.0.0.1:${port}`, auth });
    const server = await ServerProcess.start({
      name: 'standalone',
      command: process.execPath,
      args: [
        join(dirname(require.resolve('@tetris/standalone')), 'main.js'),
        ...['--port', String(port), '--memory', memory, '--store', store, '--auth', `bench=${auth}`],
        ...['--models', ...modelRoots],
      ],
      port,
      folder,
      env: { ...SETTINGS, TETRIS_STANDALONE_PROFILE_PATH: join(folder, 'profiles'), ...settings },
      // Whoever asked before its node is known would be told that there is none.
      answers: (output) =>
        output.includes('is ready on') ? Promise.resolve() : Promise.reject(new Error('it is not ready')),
    });
    cleanups.add(() => server.stop());
    cleanups.add(() => client.close());
    return new PlatformServer(server, client, store);
  }

  async memory(): Promise<PlatformMemory> {
    const { pid } = this.#server;
    const tree = processTree(pid).filter((each) => each !== pid);
    const daemons = tree.filter(isDaemon);
    const instances = tree.filter((each) => !daemons.includes(each));
    const bytes = (pids: readonly number[]): number => processMemory(pids, this.#store).ownBytes;
    return {
      instances: instances.length,
      instanceBytes: bytes(instances),
      storeBytes: await folderBytes(this.#store),
      daemonBytes: bytes(daemons),
      frontBytes: bytes([pid]),
    };
  }
}

function isDaemon(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('tensor-daemon');
  } catch {
    return false;
  }
}
