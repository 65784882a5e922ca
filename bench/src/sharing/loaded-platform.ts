import { type Platform, startPlatform } from '@tetris/standalone';
import { join } from 'node:path';
import type { Cleanups } from '../demo/cleanups';
import { processorMs } from '../measure/processor-time';
import { sum } from '../measure/statistics';
import { PlatformClient } from '../platform/client';
import { type Answer, Asker, SEEDS, type Target } from './asker';
import { Callers } from './callers';
import type { LoadedFunction } from './settings';

/** Of the node, instances and store. */
const MEMORY_BYTES = 3 * 1024 ** 3;

/**
 * Limit of the action: two workers that load an AlexNet while they answer take more than 256 for a moment. A plain
 * instance takes as much all the time.
 */
const ACTION_MB = 512;

/**
 * No limit that is about tenants, and no waiting for what an overload has left in the queue. That on concurrent
 * requests stays: what is over it is refused, and counts as not served.
 */
const SETTINGS = {
  TETRIS_STANDALONE_INVOCATIONS_PER_MINUTE: '1000000',
  TETRIS_STANDALONE_STOP_TIMEOUT_MS: '3000',
};

export interface LoadedPlatformOptions {
  loaded: LoadedFunction;
  modelRoot: string;
  storePath: string;
  annotations: Readonly<Record<string, unknown>>;
  settings: Readonly<Record<string, string>>;
  cleanups: Cleanups;
}

/** A platform with one action, and a process that asks it over HTTP. */
export class LoadedPlatform {
  readonly platform: Platform;
  readonly callers: Callers;
  readonly #asker: Asker;

  private constructor(platform: Platform, target: Target) {
    this.platform = platform;
    this.callers = Callers.start(target);
    this.#asker = new Asker(target);
  }

  static async start(options: LoadedPlatformOptions): Promise<LoadedPlatform> {
    const { loaded, modelRoot, storePath, annotations, cleanups } = options;
    const action = loaded.definition.name;
    const settings = { ...SETTINGS, ...options.settings };
    const starting = startPlatform({ memoryBytes: MEMORY_BYTES, modelRoots: [modelRoot], storePath, settings });
    cleanups.add(() => starting.then((platform) => platform.stop()));
    const platform = await starting;
    const started = new LoadedPlatform(platform, { url: platform.url, auth: platform.auth, action });
    cleanups.add(() => started.#stopAsking());
    const client = new PlatformClient(platform);
    cleanups.add(() => client.close());
    const parameters = { model: join(modelRoot, `${action}.onnx`), ...loaded.input };
    await client.createAction(action, { annotations, parameters, memoryMb: ACTION_MB });
    return started;
  }

  /** What single runs answer, by input. */
  async references(): Promise<number[][]> {
    const references: number[][] = [];
    for (let seed = 0; seed < SEEDS; seed += 1) references.push((await this.#ask(seed)).response.result.logits ?? []);
    return references;
  }

  /** Time that one activation takes in its instance, ms. */
  async durationMs(index: number): Promise<number> {
    return (await this.#ask(index)).duration;
  }

  /** Processor time of its instances until now, ms. */
  async instancesMs(): Promise<number> {
    const instances = await Promise.all(this.platform.nodes.map((node) => node.instances()));
    return sum(await Promise.all(instances.flat().map(({ pid }) => processorMs(pid))));
  }

  async #ask(index: number): Promise<Answer> {
    const answer = await this.#asker.ask(index);
    if (answer === undefined) throw new Error('the platform refused the only request there is');
    return answer;
  }

  async #stopAsking(): Promise<void> {
    await this.#asker.close();
    await this.callers.stop();
  }
}
