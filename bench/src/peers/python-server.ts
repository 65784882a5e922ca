/** A server of one of the peers, in the virtual environment that `bench/peers/install.sh` has made for it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'undici';
import { processMemory, processTree } from '../measure/process-memory';
import type { RunReport } from '../runtime/instances';
import { freePort, serverFolder, ServerProcess } from '../servers/server-process';

const PEERS = join(__dirname, '../../peers');
const READY_TIMEOUT_MS = 240_000;

export type PeerEnvironment = 'fork' | 'mosec' | 'bentoml' | 'ray';

export interface PythonServerOptions {
  environment: PeerEnvironment;
  /** A command of the environment, and its arguments for a port; run in the peer's folder. */
  command: string;
  args: (port: number) => string[];
  env: Readonly<Record<string, string>>;
  /** Paths of the functions: it has started when all of them answer. */
  answers: readonly string[];
  /** It takes lists of requests, and answers with lists. @default false */
  lists?: boolean;
}

/** Answers as `peers/function.py` does. */
export interface PeerWork {
  seed: number;
  batch?: number;
  runs?: number;
}

/** Has `install.sh` made it? */
export const isInstalled = (environment: PeerEnvironment): boolean =>
  existsSync(join(PEERS, '.cache', environment, '.installed'));

export class PythonServer {
  /** What the server writes for whoever started it goes here. */
  readonly folder: string;
  readonly #server: ServerProcess;
  readonly #http: Pool;
  readonly #ask: Ask;

  private constructor(server: ServerProcess, http: Pool, folder: string, asked: Ask) {
    this.#server = server;
    this.#http = http;
    this.#ask = asked;
    this.folder = folder;
  }

  /** Resolves when it has answered once. @throws Error that says how to install it, or what the server said */
  static async start({
    environment,
    command,
    args,
    env,
    answers,
    lists = false,
  }: PythonServerOptions): Promise<PythonServer> {
    if (!isInstalled(environment)) throw new Error(`${environment} is not installed: sh bench/peers/install.sh`);
    const port = await freePort();
    const folder = await serverFolder();
    const http = new Pool(`http://127.0.0.1:${port}`, { connections: null, pipelining: 1, headersTimeout: 0 });
    const asked: Ask = (path, work) =>
      lists ? askInList(http, path, work) : (ask(http, path, work) as Promise<RunReport>);
    const server = await ServerProcess.start({
      name: environment,
      command: join(PEERS, '.cache', environment, 'bin', command),
      args: args(port),
      port,
      folder,
      cwd: join(PEERS, environment),
      env: { ...QUIET, ...env, PORT: String(port), FOLDER: folder },
      readyTimeoutMs: READY_TIMEOUT_MS,
      answers: async () => {
        for (const path of answers) await asked(path, { seed: 1 });
      },
    });
    return new PythonServer(server, http, folder, asked);
  }

  get pid(): number {
    return this.#server.pid;
  }

  /** @throws Error where it answers anything but a report */
  ask(path: string, work: PeerWork): Promise<RunReport> {
    return this.#ask(path, work);
  }

  /** Proportional set size of all its processes. */
  memoryBytes(): number {
    return processMemory(processTree(this.pid)).ownBytes;
  }

  async stop(): Promise<void> {
    await this.#http.destroy();
    const pids = processTree(this.pid);
    await this.#server.stop();
    for (const pid of pids) endOrphan(pid);
  }
}

/** Nobody is told over the network that they run, and nobody's threads multiply. */
const QUIET = {
  BENTOML_DO_NOT_TRACK: 'True',
  RAY_USAGE_STATS_ENABLED: '0',
  ORT_DISABLE_TELEMETRY: '1',
  OMP_NUM_THREADS: '1',
  PYTHONDONTWRITEBYTECODE: '1',
};

type Ask = (path: string, work: PeerWork) => Promise<RunReport>;

async function askInList(http: Pool, path: string, { seed }: PeerWork): Promise<RunReport> {
  const [report] = (await ask(http, path, { seed: [seed] })) as RunReport[];
  if (report === undefined) throw new Error(`${path}: an empty answer`);
  return report;
}

async function ask(http: Pool, path: string, work: object): Promise<unknown> {
  const { statusCode, body } = await http.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(work),
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text.slice(0, 300)}`);
  return JSON.parse(text) as unknown;
}

/** What a server leaves behind that does not end its own children. */
function endOrphan(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, as it should.
  }
}
