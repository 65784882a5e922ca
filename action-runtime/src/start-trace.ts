import type { StartStage } from '@tetris/common/environment';

/** Where the time from the start of an instance to its first answer goes. Each stage is told once, with a reply. */
export class StartTrace {
  readonly #seen = new Set<StartStage>();
  #untold: string[] = [];

  /** The first time of a stage counts. @param ms what it took */
  mark(stage: StartStage, ms: number): void {
    if (this.#seen.has(stage)) return;
    this.#seen.add(stage);
    this.#untold.push(`${stage}=${Math.round(ms * 10) / 10}`);
  }

  /** Does work, which is a stage unless it fails. */
  async time<T>(stage: StartStage, work: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const result = await work();
    this.mark(stage, performance.now() - startMs);
    return result;
  }

  /** What no reply has told yet, as the header has it; undefined where there is nothing. */
  take(): string | undefined {
    const told = this.#untold.splice(0);
    return told.length === 0 ? undefined : told.join(',');
  }
}
