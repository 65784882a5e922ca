import { AsyncLocalStorage } from 'node:async_hooks';

/** One unit of user code's work: the loading of the action, or one activation. */
export interface Work {
  readonly activationId: string;
  /** What `process.env` shows inside of it, above the process's own variables. */
  readonly env: Map<string, string>;
  /** When it came here, epoch ms. */
  readonly startedMs: number;
  /** When its answer is due, epoch ms; undefined where the invoker does not say. */
  readonly dueMs?: number | undefined;
  /** Whose span it is part of, as the invoker's header has it. */
  readonly traceparent?: string | undefined;
  /** True once its answer is given. */
  ended: boolean;
  /** Its runs so far; undefined where it has not run a model. */
  inference?: InferenceTotals;
}

/** What all runs of an activation have in common. */
export interface InferenceTotals {
  /** Time that they waited before they were executed, ms. */
  waitedMs: number;
  /** Requests that were executed together in each of them; 0 where they differ or tell nothing. */
  requests: number;
  /** Time of their executions, ms. */
  executionMs: number;
  /** Requests of the largest execution that one of them was part of. */
  batch: number;
}

/**
 * Which activation the running code belongs to.
 *
 * Where several run at once it follows asynchronous calls. Code that lost its origin (a callback of a connection pool
 * made while the action was loaded) counts as the only running activation's, where there is exactly one. Where they run
 * one by one it is always that one: following the calls makes each promise slower, a twentieth of a short run.
 */
export class ActivationContext {
  #storage: AsyncLocalStorage<Work> | undefined;
  readonly #running = new Set<Work>();
  #latest: Work | undefined;

  /** From now on several may run at once. */
  followCalls(): void {
    this.#storage ??= new AsyncLocalStorage();
  }

  /** Activations (and loading) under way. */
  get running(): number {
    return this.#running.size;
  }

  /** Runs `main` as part of new work; the caller ends it with {@link end}. */
  run<T>(work: Work, main: () => T): T {
    this.#running.add(work);
    this.#latest = work;
    return this.#storage === undefined ? main() : this.#storage.run(work, main);
  }

  end(work: Work): void {
    work.ended = true;
    this.#running.delete(work);
  }

  /** The work whose output this is; undefined where that cannot be known. */
  current(): Work | undefined {
    const own = this.#own();
    return own !== undefined && !own.ended ? own : this.#sole();
  }

  /** The work whose variables this code sees: its own even after the answer, unless that was only the loading. */
  forEnvironment(): Work | undefined {
    const own = this.#own();
    return own !== undefined && (!own.ended || own.env.size > 0) ? own : this.#sole();
  }

  #own(): Work | undefined {
    return this.#storage === undefined ? this.#latest : this.#storage.getStore();
  }

  #sole(): Work | undefined {
    if (this.#running.size !== 1) return undefined;
    const [only] = this.#running;
    return only;
  }
}

/** `/run` fields become `__OW_<FIELD>`: every top-level string except `value`, as OpenWhisk's Node runtime does. */
export function activationVariables(body: Readonly<Record<string, unknown>>): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(body)) {
    if (name !== 'value' && typeof value === 'string') variables.set(`__OW_${name.toUpperCase()}`, value);
  }
  return variables;
}

interface ActivationTimes {
  startedMs: number;
  dueMs: number | undefined;
  deadlineMs: number;
  traceparent: string | undefined;
  onRun: (run: InferenceTotals) => void;
}

/**
 * When work came, when its answer is due, and when the invoker gives it up: epoch ms, Infinity where it does not say.
 * It is told of its runs.
 */
export function activationTimes(work: Work | undefined): ActivationTimes | undefined {
  if (work === undefined) return undefined;
  const deadlineMs = Number(work.env.get('__OW_DEADLINE') ?? NaN);
  const onRun = ({ waitedMs, requests, executionMs, batch }: InferenceTotals): void => {
    const before = work.inference ?? { waitedMs: 0, requests, executionMs: 0, batch };
    work.inference = {
      waitedMs: before.waitedMs + waitedMs,
      requests: before.requests === requests ? requests : 0,
      executionMs: before.executionMs + executionMs,
      batch: Math.max(before.batch, batch),
    };
  };
  const { startedMs, dueMs, traceparent } = work;
  return { startedMs, dueMs, traceparent, deadlineMs: deadlineMs > 0 ? deadlineMs : Infinity, onRun };
}

/**
 * `process.env` that shows each activation its own variables. Everything else reads and writes the process's variables;
 * a write to a variable of the activation stays with the activation.
 */
export function activationEnvironment(process: NodeJS.ProcessEnv, context: ActivationContext): NodeJS.ProcessEnv {
  const own = (name: string | symbol): Map<string, string> | undefined => {
    const env = context.forEnvironment()?.env;
    return typeof name === 'string' && env?.has(name) === true ? env : undefined;
  };
  return new Proxy(process, {
    get: (target, name) => own(name)?.get(name as string) ?? (Reflect.get(target, name) as string | undefined),
    has: (target, name) => own(name) !== undefined || Reflect.has(target, name),
    set: (target, name, value) => {
      const env = own(name);
      if (env === undefined) return Reflect.set(target, name, value);
      env.set(name as string, String(value));
      return true;
    },
    deleteProperty: (target, name) => own(name)?.delete(name as string) ?? Reflect.deleteProperty(target, name),
    ownKeys: (target) => [...new Set([...Reflect.ownKeys(target), ...(context.forEnvironment()?.env.keys() ?? [])])],
    getOwnPropertyDescriptor: (target, name) => {
      const value = own(name)?.get(name as string);
      if (value === undefined) return Reflect.getOwnPropertyDescriptor(target, name);
      return { value, writable: true, enumerable: true, configurable: true };
    },
  });
}
