/** The same in containers of a Docker engine: memory of the next one, first answer from a stem cell over a plain one's. */
import { configSchema, createLogger, hashFile, readConfig } from '@tetris/common';
import { type Container, DOCKER_KEYS, DockerFactory, memoryCgroup } from '@tetris/invoker-extension';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AT_REST_MS } from '../measure/process-memory';
import { median, rounded } from '../measure/statistics';
import { ACTION_PATH, type Bench } from '../runtime/bench';
import { Instance } from '../runtime/instances';
import type { SuiteResult } from '../suite';
import { coldWork, QUICKLY } from './cold-answer';
import type { FigureGroup } from './figure-group';
import type { Work } from './served-models';

const MIB = 1024 ** 2;
const ROUNDS = 5;
const RUNS = 20;
const STEM_MS = 2000;
const LIMIT_BYTES = 1024 * MIB;

const KEYS = ['dockerNextMiB', 'dockerStemAnswerMs', 'dockerStemAnswerRatio'];

async function measure(bench: Bench, quick: boolean): Promise<SuiteResult> {
  const engine = /^unix:\/\/(.+)$/.exec(process.env['DOCKER_HOST'] ?? '')?.[1];
  if (engine === undefined) {
    process.stderr.write('  left out: DOCKER_HOST=unix://SOCKET names no engine that has the action image\n');
    return Object.fromEntries(KEYS.map((key) => [key, null]));
  }
  // The model is opened inside by whatever user the container has.
  chmodSync(bench.folder, 0o755);
  const work = await coldWork(bench, quick);
  const models = [await hashFile(work.model)];
  const containers = new Containers(bench, engine);
  bench.cleanups.add(() => containers.stop());
  const [stock, stem]: [number[], number[]] = [[], []];
  // Fills the store, and the page cache with the image's files.
  await (await containers.answered(await containers.create('quick'), work)).stop();
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
    const startMs = performance.now();
    const plain = await containers.answered(await containers.create('plain'), work);
    stock.push(performance.now() - startMs);
    await plain.stop();
    const cell = await containers.create('quick');
    await delay(STEM_MS);
    const takenMs = performance.now();
    await bench.instances.expect(cell, models);
    await containers.answered(cell, work);
    stem.push(performance.now() - takenMs);
    await cell.stop();
  }
  return {
    dockerNextMiB: rounded(
      (await containers.nextBytes({ ...work, runs: quick ? 1 : RUNS }, quick ? 0 : AT_REST_MS)) / MIB,
      1,
    ),
    dockerStemAnswerMs: rounded(median(stem), 1),
    dockerStockColdAnswerMs: rounded(median(stock), 1),
    dockerStemAnswerRatio: rounded(median(stem) / median(stock)),
  };
}

/** Containers of the action image, with the daemon and without. */
class Containers {
  readonly #bench: Bench;
  readonly #engine: string;
  readonly #factories: { shared: DockerFactory; plain: DockerFactory };
  #started = 0;

  constructor(bench: Bench, engine: string) {
    this.#bench = bench;
    this.#engine = engine;
    const options = {
      config: readConfig(configSchema('invoker', DOCKER_KEYS), process.env, { dockerSocketPath: engine }),
      userMemoryBytes: 2 * LIMIT_BYTES,
      modelRoots: [{ inside: bench.folder, outside: bench.folder }],
      log: createLogger('bench', 'warn'),
    };
    const { socketPath: daemonSocketPath } = bench.daemon;
    this.#factories = {
      shared: new DockerFactory({ ...options, invoker: 'bench', daemonSocketPath }),
      plain: new DockerFactory({ ...options, invoker: 'bench-plain' }),
    };
  }

  /** `plain` loads models as plain onnxruntime does, when the action asks for them; `quick` answers in two phases. */
  async create(as: 'plain' | 'shared' | 'quick'): Promise<Instance> {
    const token = randomUUID();
    const shares = as !== 'plain';
    const { operator } = this.#bench.daemon;
    const viewPath = shares ? (await operator.registerInstance(token, { namespace: 'bench' })).viewPath : undefined;
    const factory = shares ? this.#factories.shared : this.#factories.plain;
    const container: Container = await factory.create({
      name: `b${(this.#started += 1)}`,
      kind: shares ? 'nodejs:tetris' : 'nodejs:20',
      memoryBytes: LIMIT_BYTES,
      instance: token,
      ...(viewPath === undefined ? {} : { viewPath }),
      env: { __OW_ALLOW_CONCURRENT: 'true', ...(as === 'quick' ? QUICKLY : {}) },
    });
    return new Instance(container, token);
  }

  async answered(instance: Instance, work: Work): Promise<Instance> {
    const code = readFileSync(ACTION_PATH, 'utf8');
    await instance.post('/init', { name: 'bench', main: 'main', binary: false, code, tetris: { room: 1 } });
    await instance.run(work);
    return instance;
  }

  /** What a second container's control group is charged beside a first that does the same, after a rest of so long. */
  async nextBytes(work: Work & { runs: number }, restMs: number): Promise<number> {
    const first = await this.answered(await this.create('shared'), work);
    const next = await this.answered(await this.create('shared'), work);
    await delay(restMs);
    const id = this.#docker('ps', '--latest', '--quiet');
    const group = await memoryCgroup(Number(this.#docker('inspect', '--format', '{{.State.Pid}}', id)));
    const bytes = chargedBytes(group);
    await Promise.all([first.stop(), next.stop()]);
    return bytes;
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.#factories).map((factory) => factory.close()));
  }

  #docker(...args: string[]): string {
    return execFileSync('docker', ['--host', `unix://${this.#engine}`, ...args], { encoding: 'utf8' }).trim();
  }
}

/** Control groups of version 1 or 2. */
function chargedBytes(group: string): number {
  for (const name of ['memory.usage_in_bytes', 'memory.current']) {
    try {
      return Number(readFileSync(`${group}/${name}`, 'utf8'));
    } catch {
      // The other version.
    }
  }
  throw new Error(`${group} tells no memory`);
}

export const dockerAnswer: FigureGroup = { keys: KEYS, measure };
