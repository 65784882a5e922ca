import { accepts, freePort, type RunningServer, serverFolder, ServerProcess } from './server-process';

export interface EtcdServer extends RunningServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
}

/** Starts one etcd member; its data outlives `down` and `up`. */
export async function startEtcd(): Promise<EtcdServer> {
  const folder = await serverFolder();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const clients = ['--listen-client-urls', url, '--advertise-client-urls', url];
  const peers = [
    '--listen-peer-urls',
    peer,
    '--initial-advertise-peer-urls',
    peer,
    '--initial-cluster',
    `default=${peer}`,
  ];
  const server = await ServerProcess.start({
    name: 'etcd',
    command: 'etcd',
    args: ['--data-dir', folder, ...clients, ...peers, '--logger', 'zap', '--log-level', 'error'],
    port,
    folder,
    answers: async () => {
      await accepts(port);
      const answer = await fetch(`${url}/health`);
      if (!((await answer.json()) as { health?: string }).health?.includes('true')) throw new Error('not healthy yet');
    },
  });
  return Object.assign(server, { address: `127.0.0.1:${port}` });
}
