import { removeFolder, temporaryFolder } from '@tetris/common';

/** What must be undone, last first, whether the work ends well, badly or by a signal. */
export class Cleanups {
  #pending: (() => Promise<unknown>)[] = [];
  #running: Promise<void> | undefined;

  /**
   * Registers how to undo what the caller is about to do.
   * @throws Error once everything is being undone: nothing new may be begun then
   */
  add(undo: () => Promise<unknown>): void {
    if (this.#running !== undefined) throw new Error('interrupted');
    this.#pending.push(undo);
  }

  /** Undoes everything once; later calls wait for the first. One failure keeps nothing else from being undone. */
  run(): Promise<void> {
    this.#running ??= this.#undo();
    return this.#running;
  }

  async #undo(): Promise<void> {
    const failures: unknown[] = [];
    for (let undo = this.#pending.pop(); undo !== undefined; undo = this.#pending.pop()) {
      await undo().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, 'cleaning up failed');
  }
}

/** A private folder that is removed with everything in it. */
export async function privateFolder(parent: string, cleanups: Cleanups): Promise<string> {
  const path = await temporaryFolder(parent);
  try {
    cleanups.add(() => removeFolder(path));
  } catch (error) {
    await removeFolder(path);
    throw error;
  }
  return path;
}
