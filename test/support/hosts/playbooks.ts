/** Playbooks as an operator runs them, by the commands of the documentation, on hosts of a test. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { note } from '../docker/namespace';
import type { Host } from './host';

const ANSIBLE = resolve(__dirname, '../../../ansible');
const TIMEOUT_MS = 580_000;
const SAID_MAX = 6_000;

export class Playbooks {
  readonly #folder: string;
  readonly #variables: Readonly<Record<string, unknown>>;

  /** @param folder for the inventory; @param variables that every play is told */
  constructor(folder: string, hosts: readonly Host[], variables: Readonly<Record<string, unknown>>) {
    this.#folder = folder;
    this.#variables = variables;
    writeFileSync(this.#inventory, inventoryOf(hosts));
  }

  /**
   * @param command as it stands in the documentation, for a shell in `ansible/`; @param more variables, which win
   * @returns hosts and tasks that Ansible calls changed
   */
  async play(command: string, more: Readonly<Record<string, unknown>> = {}): Promise<string[]> {
    const variables = join(this.#folder, 'variables.json');
    writeFileSync(variables, JSON.stringify({ ...this.#variables, ...more }));
    const env = {
      ...process.env,
      ANSIBLE_CONNECTION_PLUGINS: join(__dirname, 'connection_plugins'),
      ANSIBLE_INVENTORY: this.#inventory,
      ANSIBLE_LOCAL_TEMP: join(this.#folder, 'a'),
      ANSIBLE_NOCOLOR: '1',
    };
    const options = { cwd: ANSIBLE, env, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 ** 2 };
    const started = Date.now();
    try {
      const { stdout } = await promisify(execFile)('sh', ['-c', `${command} -e @${variables}`], options);
      const changes = changesOf(stdout);
      note(
        `${command} ${JSON.stringify(more)}: ${changes.length} changes, ${Math.round((Date.now() - started) / 1000)} s`,
      );
      return changes;
    } catch (error) {
      throw new Error(String((error as { stdout?: string }).stdout).slice(-SAID_MAX), { cause: error });
    }
  }

  get #inventory(): string {
    return join(this.#folder, 'inventory.ini');
  }
}

function changesOf(said: string): string[] {
  let task = '';
  return said.split('\n').flatMap((line) => {
    task = /^TASK \[(.*)\]/.exec(line)?.[1] ?? task;
    const host = /^changed: \[(\S+)\]/.exec(line)?.[1];
    return host === undefined ? [] : [`${host}: ${task}`];
  });
}

/** Every host runs actions, the first two have a load balancer as well. */
function inventoryOf(hosts: readonly Host[]): string {
  const rows = hosts.map(({ name, leader }) => `${name} ansible_connection=host ansible_nsenter_pid=${leader}`);
  const invokers = hosts.map(({ name }, index) => `${name} tetris_invoker_instance=${index}`);
  const balancers = hosts.slice(0, 2).map(({ name }) => name);
  return ['[invokers]', ...rows, '[tetris_invokers]', ...invokers, '[balancers]', ...balancers, ''].join('\n');
}
