import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PluginError } from '@tetris/common';
import { endOf, isUnschedulable, type PodEnd, startFailure, whatItWaitsFor } from './kubernetes-failure';
import type { Pod } from './kubernetes-types';

/** Between attempts to connect while nobody listens yet. */
const LISTEN_LOOK_MS = 20;
/** An attempt that gets no answer at all, as where a network policy drops it. */
const CONNECT_MS = 1000;

/** One pod through its life, as the watch tells it. */
export class PodFollower {
  /** Resolves when its container has ended or the pod is no longer there. */
  readonly ended: Promise<PodEnd>;
  /** Resolves when the pod is no longer there. */
  readonly gone: Promise<void>;
  #pod: Pod | undefined;
  #end: (end: PodEnd) => void = () => undefined;
  #leave: () => void = () => undefined;
  #onChange: () => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.gone = new Promise((resolve) => (this.#leave = resolve));
  }

  /** What is known of it last. */
  get pod(): Pod | undefined {
    return this.#pod;
  }

  changed(pod: Pod): void {
    this.#pod = pod;
    const end = endOf(pod);
    if (end !== undefined) this.#end(end);
    this.#onChange();
  }

  deleted(pod: Pod): void {
    this.#pod = pod;
    this.#end(endOf(pod) ?? { code: 'ERR_POD_GONE', text: 'somebody has deleted the pod', outOfMemory: false });
    this.#leave();
  }

  /**
   * Waits until somebody listens at the pod's port: kubelet tells that a container runs up to a second late.
   *
   * @returns the pod's address
   * @throws PluginError `ERR_POD_IMAGE`, `_ENDED`, `_EVICTED`, `_NODE`, `_GONE`, `_TIMEOUT`
   */
  async listening(port: number, withinMs: number): Promise<string> {
    const over = new AbortController();
    const address = this.#first(() => this.#pod?.status?.podIP || undefined);
    const failure = this.#first(() => this.#pod && startFailure(this.#pod));
    const timer = sleep(withinMs, undefined, { signal: over.signal });
    // Of the four the first counts; the others may fail when they are no longer of interest.
    timer.catch(() => undefined);
    try {
      return await Promise.race([
        address.then((host) => listens(host, port, over.signal)),
        failure.then((error) => Promise.reject(error)),
        this.ended.then(({ code, text }) => Promise.reject(new PluginError(code, text, { retriable: true }))),
        timer.then(() => Promise.reject(this.#late(port, withinMs))),
      ]);
    } finally {
      over.abort();
      this.#onChange = (): void => undefined;
    }
  }

  /** Resolves with the first value that a change brings. */
  #first<T>(read: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const before = this.#onChange;
      this.#onChange = (): void => {
        before();
        const value = read();
        if (value !== undefined) resolve(value);
      };
      this.#onChange();
    });
  }

  #late(port: number, withinMs: number): PluginError {
    const host = this.#pod?.status?.podIP;
    const running = this.#pod?.status?.phase === 'Running' && host !== undefined;
    const why = running
      ? `nobody answers at ${host}:${port}; a network policy may forbid the invoker to reach it`
      : whatItWaitsFor(this.#pod);
    const code = isUnschedulable(this.#pod) ? 'ERR_POD_NODE' : 'ERR_POD_TIMEOUT';
    return new PluginError(code, `it did not start within ${withinMs} ms: ${why}`, { retriable: true });
  }
}

async function listens(host: string, port: number, signal: AbortSignal): Promise<string> {
  while (!signal.aborted && !(await connects(host, port))) {
    await sleep(LISTEN_LOOK_MS, undefined, { ref: false, signal }).catch(() => undefined);
  }
  return host;
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const done = (connected: boolean) => (): void => {
      socket.destroy();
      resolve(connected);
    };
    socket.once('connect', done(true)).once('error', done(false)).once('timeout', done(false));
  });
}
