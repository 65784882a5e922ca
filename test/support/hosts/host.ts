/**
 * A machine of a cluster, as far as an operator can tell: its own systemd, Docker engine, network, users and files. Its
 * root file system is this machine's with a layer in memory above it, in which all that it writes ends up.
 *
 * Inside `inNamespace` (see `../docker/namespace.ts`), whose end is the end of every host.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { endProcess } from '@tetris/common';
import { mountMemory, namespaceCgroup, namespaceFolder } from '../docker/namespace';
import { until } from '../until';
import { type Change, changesIn } from './changes';
import type { HostNetwork } from './host-network';

const BOOT_TIMEOUT_MS = 120_000;
const POLL_MS = 200;
const COMMAND_TIMEOUT_MS = 120_000;
/** Of what a host writes, and of its engine's images. */
const WRITTEN_SIZE = '2g';
const IMAGES_SIZE = '2g';
const HIERARCHIES = '/sys/fs/cgroup';

export class Host {
  readonly name: string;
  readonly #index: number;
  readonly #folder: string;
  readonly #network: HostNetwork;
  #container: ChildProcess | undefined;
  #leader = 0;

  /** @param index from 0, of all hosts; @param network that they share */
  constructor(index: number, network: HostNetwork) {
    this.name = `node${index}`;
    this.#index = index;
    this.#network = network;
    this.#folder = join(namespaceFolder(), this.name);
  }

  /** Process 1 of the host, as this side sees it. */
  get leader(): number {
    return this.#leader;
  }

  get address(): string {
    return this.#network.address(this.#index);
  }

  /** @param shared folders of this side that the host sees read-only, by the path that it sees them under */
  async boot(shared: Readonly<Record<string, string>>): Promise<void> {
    mountMemory(this.#folder, WRITTEN_SIZE);
    const [upper, work, root] = ['upper', 'work', 'root'].map((name) => join(this.#folder, name));
    for (const folder of [upper, work, root]) mkdirSync(folder ?? '');
    const layers = `lowerdir=/,upperdir=${upper},workdir=${work}`;
    execFileSync('mount', ['-t', 'overlay', '-o', layers, 'overlay', root ?? '']);
    const cgroup = join(namespaceCgroup(), this.name);
    mkdirSync(join(root ?? '', 'etc/docker'), { recursive: true });
    writeFileSync(join(root ?? '', 'etc/docker/daemon.json'), JSON.stringify({ 'cgroup-parent': `/${cgroup}` }));
    for (const folder of Object.keys(shared)) mkdirSync(join(root ?? '', folder), { recursive: true });
    this.#container = this.#spawn(root ?? '', cgroup, this.#network.join(this.#index), shared);
    let state = '';
    const up = async (): Promise<boolean> => {
      await sleep(POLL_MS);
      this.#leader ||= childOf(this.#container?.pid ?? 0);
      if (this.#container?.exitCode !== null) throw new Error(`${this.name} ended\n${this.log()}`);
      state = this.#leader > 0 ? await this.#state() : '';
      return /running|degraded/.test(state);
    };
    await until(up, `${this.name} has booted`, BOOT_TIMEOUT_MS).catch((error: unknown) => {
      throw new Error(`${this.name} is '${state}'\n${this.log()}`, { cause: error });
    });
    await this.#startEngine();
  }

  /** Runs a command on the host. @returns its standard output */
  async run(...command: string[]): Promise<string> {
    const namespaces = ['--ipc', '--mount', '--net', '--pid', '--uts', `--target=${this.#leader}`, '--'];
    const options = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: 16 * 1024 ** 2 };
    return (await promisify(execFile)('nsenter', [...namespaces, ...command], options)).stdout.trim();
  }

  /** As if its plug were pulled: with its process 1 everything on it ends. */
  async stop(): Promise<void> {
    if (this.#container === undefined) return;
    if (this.#leader > 0 && this.#container.exitCode === null) process.kill(this.#leader, 'SIGKILL');
    await endProcess(this.#container, 'SIGKILL');
  }

  /** What a path of the host is here. */
  path(path: string): string {
    return `/proc/${this.#leader}/root${path}`;
  }

  /** What the host's files are other than this machine's: nothing on a host that nobody has touched. */
  changes(): Map<string, Change> {
    return changesIn(join(this.#folder, 'upper'));
  }

  log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8').slice(-4_000);
  }

  #spawn(root: string, cgroup: string, netns: string, shared: Readonly<Record<string, string>>): ChildProcess {
    const log = openSync(join(this.#folder, 'log'), 'a');
    const binds = Object.entries(shared).map(([inside, outside]) => `--bind-ro=${outside}:${inside}`);
    const identity = [
      `--machine=${this.name}`,
      `--hostname=${this.name}`,
      `--uuid=${String(this.#index + 1).repeat(32)}`,
    ];
    const apart = ['--register=no', '--keep-unit', '--link-journal=no', '--console=pipe'];
    // What an engine needs to start containers of its own.
    const allowed = ['--capability=all', '--system-call-filter=@keyring bpf'];
    const memory = ['--tmpfs=/tmp', `--tmpfs=/var/lib/docker:mode=711,size=${IMAGES_SIZE}`];
    const container = [
      '--directory',
      root,
      `--network-namespace-path=${netns}`,
      ...identity,
      ...apart,
      ...allowed,
      ...memory,
      ...binds,
    ];
    // Each below a control group of its own: systemd takes what it finds in its group for its own.
    const enter = `for h in systemd unified; do mkdir -p ${HIERARCHIES}/$h/${cgroup} &&
      echo $$ >${HIERARCHIES}/$h/${cgroup}/cgroup.procs || exit 1; done; exec systemd-nspawn "$@"`;
    return spawn('sh', ['-c', enter, 'sh', ...container, '--boot', 'systemd.unit=basic.target'], {
      stdio: ['ignore', log, log],
      env: { ...process.env, SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'yes' },
    });
  }

  async #state(): Promise<string> {
    return this.run('systemctl', 'is-system-running').catch((error: unknown) =>
      String((error as { stdout?: unknown }).stdout),
    );
  }

  /** The engine of the distribution's own unit. A container of systemd's sees the other hierarchies as read-only. */
  async #startEngine(): Promise<void> {
    const writable = `for m in ${HIERARCHIES} $(find ${HIERARCHIES} -mindepth 1 -maxdepth 1 -type d); do
      mountpoint -q $m && mount -o remount,bind,rw $m; done; systemctl start docker`;
    await this.run('sh', '-c', writable);
  }
}

/** The first child of a process; 0 while it has none. */
function childOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return Number(children.split(' ')[0] ?? 0);
}
