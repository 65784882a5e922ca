import type { PlatformNode } from '@tetris/standalone';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { folderBytes } from '../measure/folder-bytes';
import { splitMappings } from '../measure/process-memory';
import { sum } from '../measure/statistics';

/** What function instances and the tensors they use occupy at one time. */
export interface MemorySample {
  /** When, `performance.now()`. */
  atMs: number;
  instances: number;
  /** Bytes that are the instances' own: proportional set size without the store. */
  instanceBytes: number;
  /** Allocated bytes of the store. */
  storeBytes: number;
}

/** Reads a node's memory again and again until it is stopped; reading does not hold up this process. */
export class MemorySampler {
  readonly #node: PlatformNode;
  readonly #action: string;
  readonly #intervalMs: number;
  readonly #samples: MemorySample[] = [];
  readonly #stopped = new AbortController();
  readonly #loop: Promise<void>;

  /** @param action whose instances count: the node also has some for its own health */
  constructor(node: PlatformNode, action: string, intervalMs: number) {
    this.#node = node;
    this.#action = action;
    this.#intervalMs = intervalMs;
    this.#loop = this.#run();
  }

  /** Takes one more and returns all. */
  async stop(): Promise<readonly MemorySample[]> {
    this.#stopped.abort();
    await this.#loop;
    this.#samples.push(await sampleOf(this.#node, this.#action));
    return this.#samples;
  }

  async #run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      this.#samples.push(await sampleOf(this.#node, this.#action));
      await delay(this.#intervalMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
  }
}

async function sampleOf(node: PlatformNode, action: string): Promise<MemorySample> {
  const atMs = performance.now();
  const [processes, storeBytes] = await Promise.all([node.instances(), folderBytes(node.storePath)]);
  const instances = processes.filter(({ container }) => container.endsWith(action));
  const bytes: number[] = [];
  // One after the other: the text of each is long, and only one is to be parsed between two requests.
  for (const { pid } of instances) {
    const smaps = await readFile(`/proc/${pid}/smaps`, 'utf8').catch(() => '');
    bytes.push(splitMappings(smaps, node.storePath).ownBytes);
  }
  return { atMs, instances: instances.length, instanceBytes: sum(bytes), storeBytes };
}
