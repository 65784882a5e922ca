/** A real kube-apiserver over a real etcd, without nodes: what the caller has built, started on loopback. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProcess } from '@tetris/common';
import { nodeCertificate } from '../certificates';
import { run } from './charts';
import { until } from '../until';

const ADMIN = 'admin-token';
const START_MS = 60_000;

export class RealServer {
  readonly folder: string;
  readonly url: string;
  readonly caPath: string;
  readonly #children: ChildProcess[];

  private constructor(url: string, caPath: string, children: ChildProcess[], folder: string) {
    this.folder = folder;
    this.url = url;
    this.caPath = caPath;
    this.#children = children;
  }

  /**
   * @param users token by user name, such as `system:serviceaccount:openwhisk:invoker`
   * @throws Error with the server's log where it does not start
   */
  static async start(apiserver: string, etcd: string, users: Record<string, string>): Promise<RealServer> {
    const folder = mkdtempSync(join(tmpdir(), 'tetris-apiserver-'));
    const [etcdPort, peerPort, port] = await Promise.all([freePort(), freePort(), freePort()]);
    const { peerTlsCertPath: cert, peerTlsKeyPath: key, peerTlsCaPath: ca } = nodeCertificate(folder);
    execFileSync('openssl', ['genrsa', '-out', join(folder, 'sa.key'), '2048'], { stdio: 'ignore' });
    const tokens = Object.entries(users).map(([user, token], index) => `${token},${user},${index}`);
    writeFileSync(join(folder, 'tokens.csv'), [`${ADMIN},admin,a,system:masters`, ...tokens].join('\n'));
    const log = openSync(join(folder, 'log'), 'a');
    const start = (command: string, args: string[]): ChildProcess =>
      spawn(command, args, { stdio: ['ignore', log, log] });
    const etcdUrl = `http://127.0.0.1:${etcdPort}`;
    const peers = `http://127.0.0.1:${peerPort}`;
    const listen = ['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl];
    const store = ['--data-dir', join(folder, 'etcd'), '--listen-peer-urls', peers];
    const alone = ['--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`];
    const children = [
      start(etcd, [...listen, ...store, ...alone]),
      start(apiserver, [
        `--etcd-servers=${etcdUrl}`,
        '--bind-address=127.0.0.1',
        '--advertise-address=127.0.0.1',
        `--secure-port=${port}`,
        `--tls-cert-file=${cert}`,
        `--tls-private-key-file=${key}`,
        `--token-auth-file=${join(folder, 'tokens.csv')}`,
        '--authorization-mode=RBAC',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${join(folder, 'sa.key')}`,
        `--service-account-signing-key-file=${join(folder, 'sa.key')}`,
        '--service-cluster-ip-range=10.0.0.0/24',
        '--disable-admission-plugins=ServiceAccount',
      ]),
    ];
    const server = new RealServer(`https://127.0.0.1:${port}`, ca, children, folder);
    try {
      const answers = (): boolean => {
        try {
          return server.kubectl(['get', '--raw', '/readyz']).trim() === 'ok';
        } catch {
          return false;
        }
      };
      await until(answers, 'kube-apiserver is ready', START_MS);
    } catch (error) {
      const said = readFileSync(join(folder, 'log'), 'utf8').slice(-4000);
      await server.stop();
      throw new Error(`${String(error)}\n${said}`, { cause: error });
    }
    return server;
  }

  /** As an administrator. @throws Error with what kubectl says */
  kubectl(args: readonly string[], input = ''): string {
    return run(
      'kubectl',
      [`--server=${this.url}`, `--certificate-authority=${this.caPath}`, `--token=${ADMIN}`, ...args],
      {
        input,
      },
    );
  }

  /** File of a user's token. */
  tokenPath(token: string): string {
    const path = join(this.folder, `token-${token}`);
    writeFileSync(path, token);
    return path;
  }

  async stop(): Promise<void> {
    for (const child of [...this.#children].reverse()) await endProcess(child);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
