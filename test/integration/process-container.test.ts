/** Process containers keep the contract of all containers. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProcessFactory } from '@tetris/invoker-extension';
import { containerContract } from '../support/container-contract';
import { RUNTIME_COMMAND } from '../support/runtime-command';

const folder = mkdtempSync(join(tmpdir(), 'tetris-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A work folder for each invoker. */
const factory = (invoker = '0', command: readonly string[] = RUNTIME_COMMAND): ProcessFactory =>
  new ProcessFactory({ command, workPath: join(folder, invoker), path: process.env['PATH'] ?? '', memoryWatchMs: 50 });

/** Instances by the folder that their environment names: the leaders are those whose working folder it is. */
function running(): { name: string; pid: number }[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const environment = readFileSync(`/proc/${entry}/environ`, 'utf8');
      const [, name] = new RegExp(`TMPDIR=${folder}/\\w+/instances/([^/]+)/tmp`).exec(environment) ?? [];
      return name === undefined ? [] : [{ name, pid: Number(entry) }];
    } catch {
      return [];
    }
  });
}

containerContract('process container', () => ({
  factory,
  unstartable: () => factory('0', [join(folder, 'nothing')]),
  containers: async () => [...new Set(running().map(({ name }) => name))],
  kill: async (container) => {
    for (const { name, pid } of running()) if (name === container.name) process.kill(pid, 'SIGKILL');
  },
  freezes: true,
  halts: true,
}));
