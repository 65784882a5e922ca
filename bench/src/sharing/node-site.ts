import { START_ARGUMENTS } from '@tetris/action-runtime';
import { type Container, ProcessFactory } from '@tetris/invoker-extension';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActionReport } from '../demo/cloud';
import type { DemoFunction } from '../demo/settings';
import type { Site, Work } from '../demo/site';
import { folderBytes } from '../measure/folder-bytes';
import { processMemory, processTree } from '../measure/process-memory';
import type { DaemonProcess } from './daemon-process';

export interface NodeSiteOptions {
  daemon: DaemonProcess;
  storePath: string;
  /** The models are here, and the containers' folders go here. */
  folder: string;
  actionPath: string;
  /** Processes that run under this one and belong to the other side. */
  foreignPids: () => readonly number[];
}

const CALL = { timeoutMs: 120_000, replyBytesMax: 1024 ** 2 };

/** A node by hand: a tensor daemon and containers of the action runtime, without invoker, balancer and controller. */
export class NodeSite implements Site {
  readonly #options: NodeSiteOptions;
  readonly #factory: ProcessFactory;
  /** The youngest of each function. */
  readonly #containers = new Map<string, Container>();
  #started = 0;

  constructor(options: NodeSiteOptions) {
    this.#options = options;
    this.#factory = new ProcessFactory({
      command: [process.execPath, ...START_ARGUMENTS],
      workPath: join(options.folder, 'c'),
      daemonSocketPath: options.daemon.socketPath,
      modelRoots: [options.folder],
      path: process.env['PATH'] ?? '',
    });
  }

  /** The containers can be started from now on. */
  async open(): Promise<void> {
    await this.#factory.removeOrphans();
  }

  async addInstance(wanted: DemoFunction, work: Work): Promise<ActionReport> {
    const instance = randomUUID();
    const { viewPath } = await this.#options.daemon.operator.registerInstance(instance, { namespace: 'bench' });
    const memoryBytes = wanted.memoryMb * 1024 ** 2;
    const spec = { name: `i${(this.#started += 1)}`, kind: 'nodejs:tetris', memoryBytes, instance, viewPath, env: {} };
    const container = await this.#factory.create(spec);
    this.#containers.set(wanted.name, container);
    const code = await readFile(this.#options.actionPath, 'utf8');
    await post(container, '/init', { name: wanted.name, main: 'main', binary: false, code });
    return this.#ask(container, wanted, work);
  }

  invoke(wanted: DemoFunction, work: Work): Promise<ActionReport> {
    const container = this.#containers.get(wanted.name);
    return container === undefined ? this.addInstance(wanted, work) : this.#ask(container, wanted, work);
  }

  async release(): Promise<void> {
    // An instance is idle as soon as it has answered.
  }

  async memoryBytes(): Promise<number> {
    const { storePath, foreignPids } = this.#options;
    const { ownBytes } = processMemory(processTree(process.pid, foreignPids()), storePath);
    return ownBytes + (await folderBytes(storePath));
  }

  async stop(): Promise<void> {
    await this.#factory.close();
  }

  async #ask(container: Container, wanted: DemoFunction, work: Work): Promise<ActionReport> {
    const model = join(this.#options.folder, `${wanted.name}.onnx`);
    return (await post(container, '/run', { model, shape: wanted.shape, ...work })) as ActionReport;
  }
}

async function post(container: Container, path: '/init' | '/run', value: object): Promise<unknown> {
  const reply = await container.post(path, JSON.stringify({ value }), CALL);
  if (reply.outcome !== 'answered' || reply.status !== 200) {
    throw new Error(`${path} of ${container.name}: ${JSON.stringify(reply)}`);
  }
  return JSON.parse(reply.body);
}
