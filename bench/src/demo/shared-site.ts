import { folderBytes } from '../measure/folder-bytes';
import { processMemory, processTree } from '../measure/process-memory';
import type { ActionReport, Cloud } from './cloud';
import { Gate } from './gate';
import type { DemoFunction } from './settings';
import type { Site, Work } from './site';

export interface SharedSiteOptions {
  cloud: Cloud;
  storePath: string;
  /** Processes that run under this one and are not the platform's. */
  foreignPids: () => readonly number[];
}

/** The platform: instances that share tensors, invoked as a user would. */
export class SharedSite implements Site {
  readonly #options: SharedSiteOptions;
  readonly #gate: Gate<ActionReport>;
  readonly #held: Promise<ActionReport>[] = [];

  private constructor(options: SharedSiteOptions, gate: Gate<ActionReport>) {
    this.#options = options;
    this.#gate = gate;
  }

  static async create(options: SharedSiteOptions): Promise<SharedSite> {
    return new SharedSite(options, await Gate.listen<ActionReport>());
  }

  async addInstance({ name }: DemoFunction, work: Work): Promise<ActionReport> {
    const key = `${name}-${this.#held.length}`;
    const arrival = this.#gate.arrival(key);
    const activation = this.#options.cloud.invoke(name, { ...work, gate: this.#gate.url(key) });
    // Its failure counts here and, once the gate is open, in `release`.
    activation.catch(() => undefined);
    this.#held.push(activation);
    return Promise.race([arrival, activation]);
  }

  /** Lets the held activations finish, so that their instances can be invoked. */
  async release(): Promise<void> {
    this.#gate.open();
    await Promise.all(this.#held);
  }

  invoke({ name }: DemoFunction, work: Work): Promise<ActionReport> {
    return this.#options.cloud.invoke(name, { ...work });
  }

  /** This process, which the platform runs in, counts whole. */
  async memoryBytes(): Promise<number> {
    const { storePath, foreignPids } = this.#options;
    const { ownBytes } = processMemory(processTree(process.pid, foreignPids()), storePath);
    return ownBytes + (await folderBytes(storePath));
  }

  async stop(): Promise<void> {
    this.#gate.close();
  }
}
