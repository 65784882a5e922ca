import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorMessage, isPluginError, PluginError } from '@tetris/common/errors';
import { env, type InferenceSession, Tensor } from 'onnxruntime-common';
import type { WorkerPool } from '../inference/pool';
import type { ModelFile } from '../inference/protocol';
import { daemonModel, type ModelReference } from './model-source';
import { notice } from './notice';
import { SessionHandler } from './session-handler';
import { planSession, type SessionPlan } from './session-options';
import type { SharedModels } from './shared-models';

/** A model that workers can load, and what to do when its session is gone. */
interface Placed {
  name: string;
  locate: () => Promise<ModelFile>;
  release: () => Promise<void>;
  /** A session without packed weights answers first. */
  quick: boolean;
}

/** `y = Identity(x)` of a float32 scalar: IR version 8, operator set 17. */
const IDENTITY = Buffer.from('CAg6LwoQCgF4EgF5IghJZGVudGl0eRIBZ1oLCgF4EgYKBAgBEgBiCwoBeRIGCgQIARIAQgQKABAR', 'base64');

/** Reasons for which the daemon's refusal means a private session rather than an error. */
const FALLBACK_CODES = ['ERR_DAEMON_UNAVAILABLE', 'ERR_MODEL_UNSHAREABLE'] as const;

/**
 * Makes sessions: over a shared model where that is possible, over a private copy otherwise, with one line in the log
 * that says why.
 */
export class Sessions {
  readonly #pool: WorkerPool;
  readonly #shared: SharedModels | undefined;
  readonly #spool: string;
  readonly #threads: number;
  readonly #quickBytesMin: number;
  #spooled = 0;

  /**
   * @param shared undefined where no daemon is configured
   * @param spool folder for models that were given as bytes
   * @param threads intra-op threads of a session whose options do not say
   * @param quickBytesMin shared models of at least so many bytes answer before their weights are packed; 0 for none
   */
  constructor(
    pool: WorkerPool,
    shared: SharedModels | undefined,
    spool: string,
    { threads, quickBytesMin }: { threads: number; quickBytesMin: number },
  ) {
    this.#pool = pool;
    this.#shared = shared;
    this.#spool = spool;
    this.#threads = threads;
    this.#quickBytesMin = quickBytesMin;
  }

  /**
   * Makes, runs and releases a session, as user code will: starts the first worker, has onnxruntime do what it does once per
   * process (24 ms of the first load), and Node compile the way there. It takes no memory that the first model would not.
   */
  async warmUp(): Promise<void> {
    const placed = await this.#private({ kind: 'bytes', name: 'the warm-up', bytes: IDENTITY });
    const session = await this.#open(placed, { intraOpNumThreads: 1, interOpNumThreads: 1 }, true);
    await session.run({ x: new Tensor('float32', [0], []) }, { y: null }, {});
    await session.dispose();
  }

  /** @throws PluginError about the model, or onnxruntime's own error where it is loaded privately */
  async create(model: ModelReference, given: InferenceSession.SessionOptions): Promise<SessionHandler> {
    const plan = planSession(given, { threads: this.#threads, logLevel: env.logLevel ?? 'warning' });
    if ('reason' in plan.shared) {
      notice(`${model.name} is loaded privately: ${plan.shared.reason}`);
      return this.#open(await this.#private(model), plan.privately, true);
    }
    const placed = await this.#share(model, plan.shared);
    if (placed !== undefined) return this.#open(placed, plan.shared.options, false);
    return this.#open(await this.#private(model), plan.privately, true);
  }

  /** Undefined where the model has to be loaded privately, for the reason that was logged. */
  async #share(
    model: ModelReference,
    { graph }: Exclude<SessionPlan['shared'], { reason: string }>,
  ): Promise<Placed | undefined> {
    if (this.#shared === undefined) {
      notice('models are loaded privately: no tensor daemon is configured');
      return undefined;
    }
    try {
      const lease = await this.#shared.acquire(model.name, await daemonModel(model), graph);
      return {
        name: model.name,
        locate: async () => ({ kind: 'path', path: await lease.locate() }),
        release: async () => lease.release(),
        quick: this.#quickBytesMin > 0 && lease.tensorBytes >= this.#quickBytesMin,
      };
    } catch (error) {
      const code = FALLBACK_CODES.find((fallback) => isPluginError(error, fallback));
      if (code === undefined || model.kind === 'url') throw error;
      const which = code === 'ERR_MODEL_UNSHAREABLE' ? `${model.name} is` : 'models are';
      notice(`${which} loaded privately: ${errorMessage(error)}`);
      return undefined;
    }
  }

  async #private(model: ModelReference): Promise<Placed> {
    if (model.kind === 'url') {
      const text = `Load model from ${model.name} failed: only a tensor daemon fetches models, and there is none`;
      throw new PluginError('ERR_MODEL_SOURCE_UNKNOWN', text);
    }
    const { name } = model;
    if (model.kind === 'file') {
      return {
        name,
        locate: async () => ({ kind: 'path', path: model.path }),
        release: async () => undefined,
        quick: false,
      };
    }
    // The bytes are the user's and may change; a worker that replaces a failed one needs them again.
    const file = path.join(this.#spool, `model-${++this.#spooled}.onnx`);
    await writeFile(file, model.bytes);
    return {
      name,
      locate: async () => ({ kind: 'bytes', path: file }),
      release: () => rm(file, { force: true }),
      quick: false,
    };
  }

  async #open(placed: Placed, options: InferenceSession.SessionOptions, single: boolean): Promise<SessionHandler> {
    try {
      const { name, locate, release, quick } = placed;
      const quickOptions = quick ? withoutPacking(options) : undefined;
      const session = await this.#pool.load({ name, locate, options, quickOptions, single });
      return new SessionHandler(session, release);
    } catch (error) {
      await placed.release();
      throw error;
    }
  }
}

/**
 * Without packing a transformer's session is ready in a fifth of the time; its runs take a third longer. Nested entries, as
 * onnxruntime-node reads them.
 */
function withoutPacking(options: InferenceSession.SessionOptions): InferenceSession.SessionOptions {
  const extra = options.extra ?? {};
  const session = (extra['session'] ?? {}) as Record<string, unknown>;
  return { ...options, extra: { ...extra, session: { ...session, disable_prepacking: '1' } } };
}
