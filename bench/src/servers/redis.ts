import { accepts, freePort, type RunningServer, serverFolder, ServerProcess } from './server-process';

export interface RedisServer extends RunningServer {
  /** `redis://127.0.0.1:port`. */
  readonly url: string;
}

/** Starts a Redis without persistence: after `down` and `up` it is empty. */
export async function startRedis(): Promise<RedisServer> {
  const folder = await serverFolder();
  const port = await freePort();
  const listen = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder];
  const server = await ServerProcess.start({
    name: 'redis',
    command: 'redis-server',
    // On loopback alone; whoever is forwarded to it from another network is meant to reach it.
    args: [...listen, '--protected-mode', 'no', '--save', '', '--appendonly', 'no'],
    port,
    folder,
    answers: () => accepts(port),
  });
  return Object.assign(server, { url: `redis://127.0.0.1:${port}` });
}
