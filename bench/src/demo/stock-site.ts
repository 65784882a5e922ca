import { processMemory } from '../measure/process-memory';
import { StockProcess } from '../measure/stock-process';
import type { ActionReport } from './cloud';
import type { DemoFunction } from './settings';
import type { Site, Work } from './site';

/** What users have today: a Node process per instance, each with its own copy of the weights. */
export class StockSite implements Site {
  readonly #instances = new Map<string, StockProcess[]>();
  readonly #actionPath: string;
  readonly #modelPath: (wanted: DemoFunction) => string;
  readonly #env: Readonly<Record<string, string>>;

  /**
   * @param actionPath the module whose code the platform's actions are created from
   * @param env environment beside this process's own
   */
  constructor(
    actionPath: string,
    modelPath: (wanted: DemoFunction) => string,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#actionPath = actionPath;
    this.#modelPath = modelPath;
    this.#env = env;
  }

  get pids(): number[] {
    return this.#processes().map((instance) => instance.pid);
  }

  async addInstance(wanted: DemoFunction, work: Work): Promise<ActionReport> {
    const instance = new StockProcess(this.#actionPath, this.#env);
    this.#instances.set(wanted.name, [...(this.#instances.get(wanted.name) ?? []), instance]);
    return this.#ask(instance, wanted, work);
  }

  async invoke(wanted: DemoFunction, work: Work): Promise<ActionReport> {
    const instance = this.#instances.get(wanted.name)?.[0];
    return instance === undefined ? this.addInstance(wanted, work) : this.#ask(instance, wanted, work);
  }

  async release(): Promise<void> {
    // A plain process is idle as soon as it has answered.
  }

  async memoryBytes(): Promise<number> {
    return processMemory(this.pids).ownBytes;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes().map((instance) => instance.stop()));
  }

  #ask(instance: StockProcess, wanted: DemoFunction, work: Work): Promise<ActionReport> {
    return instance.invoke({ model: this.#modelPath(wanted), shape: wanted.shape, ...work });
  }

  #processes(): StockProcess[] {
    return [...this.#instances.values()].flat();
  }
}
