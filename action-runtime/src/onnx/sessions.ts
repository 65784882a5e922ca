import { access, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorMessage, isPluginError } from '@tetris/common/errors';
import { env, type InferenceSession, type InferenceSessionHandler } from 'onnxruntime-common';
import type { InferenceEngine } from '../inference/engine';
import type { ModelFile } from '../inference/protocol';
import type { StartTrace } from '../start-trace';
import { daemonModels } from './daemon-model';
import type { ModelReference } from './model-reference';
import { NotShared, type PrivateReason } from './not-shared';
import { notice } from './notice';
import { ENDLESS, type Patience } from './patience';
import { planSession, type SessionPlan } from './session-options';
import type { SharedModel, SharedModels } from './shared-models';

/** A model that workers can load, and what to do when its session is gone. */
interface Placed {
  name: string;
  locate: () => Promise<ModelFile>;
  release: () => Promise<void>;
  /** A session without packed weights answers first. */
  quick: boolean;
}

/** What the daemon cannot open where the instance may: it is sent instead. */
const UNOPENED_CODES = ['ERR_MODEL_PATH_OUTSIDE', 'ERR_MODEL_NOT_FOUND'] as const;

export interface SessionsParts {
  engine: InferenceEngine;
  trace: StartTrace;
  /** Undefined where no daemon is configured. */
  shared: SharedModels | undefined;
  /** Folder for models that were given as bytes. */
  spool: string;
  /** Folders that the daemon sees under the same path. */
  roots: readonly string[];
  /** How long a load waits for the daemon now. */
  patience: () => Patience;
  /** Told of each model that is loaded privately. */
  onPrivateLoad: (reason: PrivateReason) => void;
}

export interface SessionsOptions {
  /** Intra-op threads of a session whose options do not say. */
  threads: number;
  /** An instance that runs one request at a time keeps no memory for the next. */
  light: boolean;
  /** Shared models of at least so many bytes answer before their weights are packed; 0 for none. */
  quickBytesMin: number;
}

/**
 * Makes sessions. Sharing is an optimisation: a model is shared, or it is loaded as stock onnxruntime loads it, and
 * then a line in the log says why; or it is bad, as stock says. Nothing else ever comes out of it.
 */
export class Sessions {
  readonly #parts: SessionsParts;
  readonly #options: SessionsOptions;
  #spooled = 0;
  /** Loads do not wait for a daemon that was slow for one of them until then, epoch ms. */
  #slowUntilMs = 0;

  constructor(parts: SessionsParts, options: SessionsOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** @throws onnxruntime's own error; for a URL, an Error with the daemon's text */
  async create(model: ModelReference, given: InferenceSession.SessionOptions): Promise<InferenceSessionHandler> {
    const { threads, light } = this.#options;
    const plan = planSession(given, { threads, logLevel: env.logLevel ?? 'warning', light });
    let verdict;
    try {
      return await this.#share(model, plan.shared);
    } catch (error) {
      verdict = NotShared.because(error);
    }
    if (model.kind === 'url') throw urlError(model.name, verdict);
    const session = await this.#open(await this.#private(model), plan.privately, true);
    const which = verdict.reason === 'no-daemon' ? 'models are' : `${model.name} is`;
    notice(`${which} loaded privately: ${verdict.message} (${verdict.reason})`);
    this.#parts.onPrivateLoad(verdict.reason);
    return session;
  }

  /** @throws NotShared, or what {@link NotShared.because} makes a verdict of */
  async #share(model: ModelReference, plan: SessionPlan['shared']): Promise<InferenceSessionHandler> {
    if ('reason' in plan) throw new NotShared('session-options', plan.reason);
    const { trace } = this.#parts;
    const lease = await trace.time('lease', () => this.#lease(model, plan.graph));
    const { quickBytesMin } = this.#options;
    const view = await lease.locate();
    let isOpen = false;
    const placed: Placed = {
      name: model.name,
      locate: async () => ({ kind: 'path', path: isOpen ? await viewOrFile(lease, model) : view }),
      release: async () => lease.release(),
      quick: quickBytesMin > 0 && lease.tensorBytes >= quickBytesMin,
    };
    try {
      const session = await this.#open(placed, plan.options, false);
      isOpen = true;
      return session;
    } catch (error) {
      // The view's path holds the instance's token.
      throw new NotShared('view-not-loaded', errorMessage(error).replaceAll(view, 'the shared model'), error);
    }
  }

  async #lease(model: ModelReference, graph: Parameters<SharedModels['acquire']>[2]): Promise<SharedModel> {
    const { shared, roots } = this.#parts;
    if (shared === undefined) throw new NotShared('no-daemon', 'no tensor daemon is configured');
    const patience = model.kind === 'url' ? ENDLESS : this.#parts.patience();
    if (model.kind !== 'url' && Date.now() < this.#slowUntilMs)
      throw new NotShared('daemon-slow', 'the tensor daemon was slow just now');
    let unopened: unknown;
    for await (const asked of daemonModels(model, roots)) {
      try {
        return await shared.acquire(model.name, asked, graph, patience);
      } catch (error) {
        if (error instanceof NotShared && error.reason === 'daemon-slow')
          this.#slowUntilMs = Date.now() + patience.waitMs;
        if (!UNOPENED_CODES.some((code) => isPluginError(error, code))) throw error;
        unopened = error;
      }
    }
    throw unopened;
  }

  async #private(model: Exclude<ModelReference, { kind: 'url' }>): Promise<Placed> {
    const { name } = model;
    if (model.kind === 'file') {
      const [folder, absolute] = [process.cwd(), path.resolve(model.path)];
      // As the user wrote it, for stock's errors; a worker that comes later may come when the working folder is
      // another.
      const locate = async (): Promise<ModelFile> => {
        return { kind: 'path', path: process.cwd() === folder ? model.path : absolute };
      };
      return { name, locate, release: async () => undefined, quick: false };
    }
    // The bytes are the user's and may change; a worker that replaces a failed one needs them again.
    const file = path.join(this.#parts.spool, `model-${++this.#spooled}.onnx`);
    await writeFile(file, model.bytes);
    return {
      name,
      locate: async () => ({ kind: 'bytes', path: file }),
      release: () => rm(file, { force: true }),
      quick: false,
    };
  }

  async #open(
    placed: Placed,
    options: InferenceSession.SessionOptions,
    single: boolean,
  ): Promise<InferenceSessionHandler> {
    try {
      const { name, locate, release, quick } = placed;
      const { engine, trace } = this.#parts;
      const wakeOptions = single ? undefined : withoutPacking(options);
      const model = { name, locate, options, quickOptions: quick ? wakeOptions : undefined, wakeOptions, single };
      return await trace.time('load', () => engine.load(model, release));
    } catch (error) {
      await placed.release();
      throw error;
    }
  }
}

/** For a worker that loads a shared model later, when the daemon may be gone and the view with it. */
async function viewOrFile(lease: SharedModel, model: ModelReference): Promise<string> {
  try {
    const view = await lease.locate();
    await access(view);
    return view;
  } catch (error) {
    if (model.kind === 'file') return model.path;
    throw error;
  }
}

/** Only the daemon fetches models: what it says is what there is to say. */
function urlError(name: string, { reason, message, cause }: NotShared): Error {
  const text = reason === 'no-daemon' ? 'only a tensor daemon fetches models, and there is none' : message;
  const error = new Error(text.includes(name) ? text : `Load model from ${name} failed: ${text}`);
  return Object.assign(error, { code: isPluginError(cause) ? cause.code : 'ERR_MODEL_SOURCE_UNKNOWN' });
}

/**
 * Without packing a transformer's session is ready in a fifth of the time; its runs take a third longer. Nested
 * entries, as onnxruntime-node reads them.
 */
function withoutPacking(options: InferenceSession.SessionOptions): InferenceSession.SessionOptions {
  const extra = options.extra ?? {};
  const session = (extra['session'] ?? {}) as Record<string, unknown>;
  return { ...options, extra: { ...extra, session: { ...session, disable_prepacking: '1' } } };
}
