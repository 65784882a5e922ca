/**
 * Fork after load: a process loads the model once and forks an instance after the other, all of which share its pages,
 * packed weights included. Node cannot fork without a new program; so this is what a Python user does, with gunicorn's
 * `preload_app` and onnxruntime of the same version, one master for each function.
 */
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { sum } from '../measure/statistics';
import { PythonServer } from '../peers/python-server';
import type { RunReport } from '../runtime/instances';
import type { FleetInstance, WithFleet } from './fleet';
import type { ServedModel } from './served-model';

const POLL_MS = 50;
const FORKED_WITHIN_MS = 120_000;

export const withFork: WithFleet = async (use) => {
  const masters = new Map<string, Master>();
  const start = async (model: ServedModel): Promise<FleetInstance> => {
    const known = masters.get(model.path);
    const master = known ?? (await Master.start(model));
    masters.set(model.path, master);
    if (known !== undefined) await master.fork();
    return { run: (work) => master.run(work), stop: () => master.stop() };
  };
  const memoryBytes = (): Promise<number> =>
    Promise.resolve(sum([...masters.values()].map((master) => master.memoryBytes())));
  try {
    return await use({ start, memoryBytes });
  } finally {
    await Promise.all([...masters.values()].map((master) => master.stop()));
  }
};

/** The workers of one function. */
class Master {
  readonly #server: PythonServer;

  private constructor(server: PythonServer) {
    this.#server = server;
  }

  static async start({ path, vocabulary }: ServedModel): Promise<Master> {
    const env = { MODELS: path, ...(vocabulary === undefined ? {} : { VOCABULARY: String(vocabulary) }) };
    const args = (): string[] => ['--config', 'gunicorn.conf.py', 'app:application'];
    const options = { environment: 'fork', command: 'gunicorn', args, env, answers: ['/0'] } as const;
    return new Master(await PythonServer.start(options));
  }

  /** One more worker; resolves when it has run the function. */
  async fork(): Promise<void> {
    const before = await this.#warm();
    process.kill(this.#server.pid, 'SIGTTIN');
    const untilMs = performance.now() + FORKED_WITHIN_MS;
    while ((await this.#warm()) <= before) {
      if (performance.now() > untilMs) throw new Error('a forked worker has not run the function');
      await delay(POLL_MS);
    }
  }

  /** By whichever worker takes it. */
  run(work: Parameters<FleetInstance['run']>[0]): Promise<RunReport> {
    return this.#server.ask('/0', { seed: 1, ...work });
  }

  memoryBytes(): number {
    return this.#server.memoryBytes();
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }

  async #warm(): Promise<number> {
    return (await readdir(this.#server.folder)).length;
  }
}
