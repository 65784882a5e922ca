/**
 * One function instance in simulated time: starts, takes what it is given, and executes as the runtime does. A worker
 * that is free takes what has come, up to a batch; nobody waits for mates while one is free.
 */
import type { InstanceSettings } from '@tetris/invoker-extension';
import type { Draws } from './draws';
import type { Events } from './events';
import type { SimulatedFunction } from './functions';
import type { Processors } from './processors';

/** One request on its way. */
export interface Request {
  id: string;
  of: SimulatedFunction;
  /** When its transaction began, ms. */
  startedMs: number;
  /** Answered, or refused. */
  ended: (outcome: 'answered' | 'refused', executionMs: number) => void;
}

export interface InstanceWorld {
  events: Events;
  processors: Processors;
  draws: Draws;
  /** Tensors that are not on the node come in at so many bytes a ms. */
  loadBytesPerMs: number;
}

/** What an execution told. */
export interface Executed {
  requests: readonly Request[];
  /** What each of them has waited in the instance, ms. */
  waitsMs: readonly number[];
  /** Its time; {@link settled}: it was not the instance's first. */
  executionMs: number;
  settled: boolean;
}

/** Median start of a container, ms, and how much it varies. */
const CONTAINER_MS = 300;
const START_SIGMA = 0.4;
/** Most executions vary little; one in a hundred takes up to ten times as long. */
const EXECUTION_SIGMA = 0.15;
const OUTLIERS = 0.01;

export class SimulatedInstance {
  readonly settings: InstanceSettings;
  readonly of: SimulatedFunction;
  ended = false;
  readonly #world: InstanceWorld;
  readonly #executed: (executed: Executed) => void;
  #waiting: { request: Request; sinceMs: number }[] = [];
  #executing = 0;
  #executions = 0;

  constructor(
    of: SimulatedFunction,
    settings: InstanceSettings,
    world: InstanceWorld,
    executed: (executed: Executed) => void,
  ) {
    this.of = of;
    this.settings = settings;
    this.#world = world;
    this.#executed = executed;
  }

  /** @param missingBytes tensors that are not on the node. Calls back when its container runs, and when it is ready */
  start(missingBytes: number, created: () => void, ready: () => void): void {
    const { events, processors, draws, loadBytesPerMs } = this.#world;
    events.after(draws.logNormal(CONTAINER_MS, START_SIGMA), () => {
      if (this.ended) return;
      created();
      events.after(missingBytes / loadBytesPerMs, () => {
        processors.run(draws.logNormal(this.of.loadMs, START_SIGMA), 1, () => {
          if (!this.ended) ready();
        });
      });
    });
  }

  take(request: Request): void {
    if (this.ended) throw new Error(`a request for an instance of ${this.of.action} that has ended`);
    this.#waiting.push({ request, sinceMs: this.#world.events.nowMs });
    this.#execute();
  }

  #execute(): void {
    const { events, processors, draws } = this.#world;
    const { workers, threads, batch } = this.settings;
    while (this.#executing < workers && this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, batch);
      const requests = taken.map(({ request }) => request);
      const settled = this.#executions > 0;
      this.#executions += 1;
      this.#executing += 1;
      const sinceMs = events.nowMs;
      const waitsMs = taken.map((each) => sinceMs - each.sinceMs);
      const medianMs = this.of.executionMs({ workers, threads, batch: requests.length }, sinceMs);
      const varied = draws.logNormal(medianMs, EXECUTION_SIGMA);
      const workMs = draws.chance(OUTLIERS) ? varied * draws.pareto(1.5, 1.5, 10) : varied;
      processors.run(workMs, threads, () => {
        this.#executing -= 1;
        this.#executed({ requests, waitsMs, executionMs: events.nowMs - sinceMs, settled });
        this.#execute();
      });
    }
  }
}
