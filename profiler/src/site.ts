/** A platform of its own for the instances that are measured. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { START_ARGUMENTS } from '@tetris/action-runtime';
import { PluginError } from '@tetris/common';
import { type ContainerFactory, ProcessFactory } from '@tetris/invoker-extension';
import { type Platform, startPlatform } from '@tetris/standalone';
import { environment } from './config';
import type { ProfileSite } from './instance';

/** Often, because what an instance has between two looks is not held to its limit. */
const MEMORY_WATCH_MS = 25;

/** Limits processes to that many cores with `taskset`, where the system has it. */
function pinned(count: number): string[] {
  const { status } = spawnSync('taskset', ['-c', '0', 'true']);
  return status === 0 ? ['taskset', '-c', `0-${count - 1}`] : [];
}

/** A platform for instances, started when the first is wanted. */
export class Site {
  readonly #modelRoots: readonly string[];
  readonly #factories = new Map<number, ContainerFactory>();
  #starting: Promise<Platform> | undefined;

  constructor(modelRoots: readonly string[]) {
    this.#modelRoots = modelRoots;
  }

  async start(): Promise<ProfileSite> {
    this.#starting ??= startPlatform({ modelRoots: this.#modelRoots, logLevel: 'error' });
    const [node] = (await this.#starting).nodes;
    if (node === undefined) throw new PluginError('ERR_INTERNAL', 'the platform has no node');
    const factoryFor = (cpu: number): ContainerFactory => {
      const known = this.#factories.get(cpu);
      if (known !== undefined) return known;
      const factory = new ProcessFactory({
        command: [...pinned(cpu), process.execPath, ...START_ARGUMENTS],
        workPath: join(node.privatePath, `p${cpu}`),
        daemonSocketPath: node.socketPath,
        modelRoots: [...this.#modelRoots],
        path: environment()['PATH'] ?? '',
        memoryWatchMs: MEMORY_WATCH_MS,
      });
      this.#factories.set(cpu, factory);
      return factory;
    };
    return { factoryFor, daemon: node.operator };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#factories.values()].map((factory) => factory.close()));
    await (await this.#starting)?.stop();
  }
}

/** Read from its package, not from the library: that would load it into this process. */
export function onnxruntimeVersion(): string {
  const text = readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
