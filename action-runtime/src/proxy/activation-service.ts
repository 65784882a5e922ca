/**
 * `/init` and `/run` of OpenWhisk's container protocol, without the HTTP.
 *
 *     ready --init--> starting --ok--> ready (initialized) --run--> running --ok--> ready
 *                        |fails                                        |throws synchronously
 *                        v                                             v
 *                     stopped                                       stopped
 *
 * States, texts and status codes are those of OpenWhisk's Node runtime; where it differs on purpose, decision 0012 says
 * so.
 */
import { errorMessage } from '@tetris/common/errors';
import { serializeError } from 'serialize-error';
import type { ActionCode, Main } from './action-loader';
import type { ActivationLog } from './activation-log';
import { type ActivationContext, activationVariables, type InferenceTotals, type Work } from './context';

/** A reply: HTTP status and JSON body. */
export interface Reply {
  status: number;
  body: unknown;
  /** Of the activation that is answered, where it has run a model. */
  inference?: InferenceTotals | undefined;
}

type Body = Readonly<Record<string, unknown>>;

/** What the service needs from outside. */
export interface ServiceParts {
  context: ActivationContext;
  log: ActivationLog;
  /** May several activations run at once? */
  concurrent: boolean;
  /** Makes the action's function; `settings` is the body's `value`, with what our invoker extension adds to it. */
  load: (action: ActionCode, settings: Body) => Promise<Main>;
  /** The process's own variables, which `/init` adds to. */
  environment: NodeJS.ProcessEnv;
  /** Gives back what memory the instance can do without until the next activation. */
  sleep: () => Promise<void>;
  /** Told when an activation has ended and how long it took, ms, for whoever tidies up after it. */
  onAnswered: (ranMs: number) => void;
}

interface Activation extends Work {
  /** Ends the activation with an error that came from outside of its promise. */
  fail: (error: unknown) => void;
}

/** One function instance's action and its state. */
export class ActivationService {
  readonly #parts: ServiceParts;
  #status: 'ready' | 'starting' | 'running' | 'stopped' = 'ready';
  #main: Main | undefined;
  /** Whether an activation has come; until then an error that loading has left behind is told by the first one. */
  #used = false;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** @param traceparent whose span this is part of; undefined where nobody says */
  async init(body: Body, traceparent?: string): Promise<Reply> {
    if (this.#main !== undefined) return refused('Cannot initialize the action more than once.');
    if (this.#status !== 'ready') return this.#notReady();
    const settings = isRecord(body['value']) ? body['value'] : {};
    const { main, code, binary, env } = settings;
    if (typeof main !== 'string' || typeof code !== 'string' || main === '' || code === '') {
      return { status: 403, body: { error: 'Missing main/no code to execute.' } };
    }
    this.#status = 'starting';
    const variables = isRecord(env) ? env : {};
    for (const [name, value] of Object.entries(variables)) {
      this.#parts.environment[name] = typeof value === 'string' ? value : JSON.stringify(value);
    }
    const activationId = textOf(variables['__OW_ACTIVATION_ID']);
    return this.#load({ main, code, binary: binary === true }, settings, { activationId, traceparent });
  }

  /** @param dueMs when the answer is due by the action's objective, epoch ms; undefined where nobody says */
  async run(body: Body, dueMs?: number, traceparent?: string): Promise<Reply> {
    const { context, concurrent } = this.#parts;
    const free = this.#status === 'ready' || (concurrent && this.#status === 'running');
    if (this.#main === undefined && this.#status === 'ready') return refused('System not initialized.');
    if (this.#main === undefined || !free) return this.#notReady();
    const value = body['value'] ?? {};
    if (typeof value !== 'object') {
      return refused(`the argument must be a dictionary but has type '${typeof value}'.`, 'Internal system error: ');
    }
    this.#status = 'running';
    this.#used = true;
    const startedMs = performance.now();
    const reply = await this.#execute(this.#main, value, body, { dueMs, traceparent });
    if (this.#status === 'running' && context.running === 0) this.#status = 'ready';
    this.#parts.onAnswered(performance.now() - startedMs);
    return reply;
  }

  /** Gives memory back, where no activation runs: the invoker asks for it before it freezes an idle instance. */
  async sleep(): Promise<Reply> {
    // Told to nobody but the invoker: this is no request of the action's.
    if (this.#main === undefined || this.#status !== 'ready')
      return { status: 409, body: { error: 'It is not idle.' } };
    await this.#parts.sleep();
    return { status: 200, body: { OK: true } };
  }

  /**
   * Takes an error that no promise of user code caught, such as that of a model which a module loads at its top.
   * @returns false where no answer can tell of it
   */
  uncaught(error: unknown): boolean {
    const work = this.#parts.context.current() as Activation | undefined;
    if (work !== undefined) {
      work.fail(error);
      return true;
    }
    if (this.#main === undefined || this.#used) return false;
    this.#main = () => {
      throw error;
    };
    return true;
  }

  async #load(action: ActionCode, settings: Body, origin: Pick<Work, 'activationId' | 'traceparent'>): Promise<Reply> {
    const { context, log, load } = this.#parts;
    const { fail, failed } = failure();
    const loading: Activation = { ...origin, env: new Map(), startedMs: Date.now(), ended: false, fail };
    try {
      this.#main = await Promise.race([context.run(loading, () => load(action, settings)), failed]);
      this.#status = 'ready';
      context.end(loading);
      return { status: 200, body: { OK: true } };
    } catch (error) {
      this.#status = 'stopped';
      const text = stackOf(error instanceof Uncaught ? error.thrown : error);
      context.run(loading, () => console.error(`Error during initialization: ${text}`));
      await log.end(loading);
      context.end(loading);
      // What came past every promise has a stack of our own code, if any.
      const told = error instanceof Uncaught ? String(error.thrown) : text;
      return { status: 502, body: { error: `Initialization has failed due to: ${told}` } };
    }
  }

  async #execute(main: Main, value: unknown, body: Body, told: Pick<Work, 'dueMs' | 'traceparent'>): Promise<Reply> {
    const { context, log } = this.#parts;
    const { fail, failed } = failure();
    const env = activationVariables(body);
    const activationId = textOf(body['activation_id']);
    const activation: Activation = { activationId, env, startedMs: Date.now(), ...told, ended: false, fail };
    const reply = await context.run(activation, async () => {
      try {
        return answerOf(await Promise.race([callMain(main, value), failed]));
      } catch (error) {
        return this.#failed(error);
      }
    });
    await log.end(activation);
    context.end(activation);
    return { ...reply, inference: activation.inference };
  }

  /**
   * A rejection is an application error (200), which the caller sees and the log does not; what was thrown past every
   * promise stops the instance. Both as in stock.
   */
  #failed(error: unknown): Reply {
    if (!(error instanceof Uncaught)) {
      return { status: 200, body: { error: error === undefined || error === null ? {} : serializeError(error) } };
    }
    console.error(error.thrown);
    this.#status = 'stopped';
    return { status: 502, body: { error: `An error has occurred: ${String(error.thrown)}` } };
  }

  #notReady(): Reply {
    return refused(`System not ready, status is ${this.#status}.`);
  }
}

/** An error that user code threw synchronously, or past every promise. */
class Uncaught extends Error {
  readonly thrown: unknown;

  constructor(thrown: unknown) {
    super('uncaught');
    this.thrown = thrown;
  }
}

/** A promise that an error from outside rejects. */
function failure(): { fail: Activation['fail']; failed: Promise<never> } {
  let fail: Activation['fail'] = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => (fail = (error) => reject(new Uncaught(error))));
  failed.catch(() => undefined);
  return { fail, failed };
}

async function callMain(main: Main, value: unknown): Promise<unknown> {
  let result;
  try {
    result = main(value);
  } catch (error) {
    throw new Uncaught(error);
  }
  return result;
}

function answerOf(result: unknown): Reply {
  if (result === undefined) return { status: 200, body: {} };
  if (typeof result !== 'object') return { status: 502, body: { error: 'The action did not return a dictionary.' } };
  return { status: 200, body: result };
}

function refused(text: string, prefix = ''): Reply {
  console.error('Internal system error:', text);
  return { status: 403, body: { error: prefix + text } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : errorMessage(error);
}
