import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, isPluginError, PluginError, retry } from '@tetris/common';
import { type KubernetesClient, statusOf } from './kubernetes-client';
import { refusedPod } from './kubernetes-failure';
import { INSTANCE_ANNOTATION } from './kubernetes-pod';
import type { Pod } from './kubernetes-types';

export interface PodCallsOptions {
  client: Pick<KubernetesClient, 'createPod' | 'getPod' | 'deletePod' | 'podEvents'>;
  backoff: Backoff;
  /** Longest wait that the server may ask for before the next attempt, ms. */
  waitMaxMs: number;
}

const NOT_FOUND = 404;
const CONFLICT = 409;

/** Creates and removes pods though calls fail, answers get lost and the server asks for patience. */
export class PodCalls {
  readonly #options: PodCallsOptions;

  constructor(options: PodCallsOptions) {
    this.#options = options;
  }

  /**
   * Calls again until it works, while the failure is one that passes.
   *
   * @param withinMs no attempt begins later
   */
  repeat<T>(call: () => Promise<T>, withinMs: number): Promise<T> {
    const { backoff } = this.#options;
    const polite = (): Promise<T> => this.#politely(call);
    return retry(polite, { backoff, untilMs: Date.now() + withinMs, again: isTransient });
  }

  /** @throws PluginError of `ERR_POD_QUOTA`, `_ADMISSION`, `_FORBIDDEN`, or `ERR_KUBERNETES_API` */
  create(request: Pod, withinMs: number): Promise<Pod> {
    return this.repeat(async () => {
      try {
        return await this.#options.client.createPod(request);
      } catch (error) {
        if (statusOf(error) === CONFLICT && reasonOf(error) === 'AlreadyExists') return this.#mine(request, error);
        throw refusedPod(error);
      }
    }, withinMs);
  }

  /** @returns false where the pod was not there (any more); else its end is still to come */
  remove({ metadata: { name, uid } }: Pod, graceS: number, withinMs: number): Promise<boolean> {
    return this.repeat(async () => {
      try {
        await this.#options.client.deletePod(name, { uid, graceS });
        return true;
      } catch (error) {
        if (statusOf(error) === NOT_FOUND) return false;
        if (statusOf(error) === CONFLICT && !(await this.#isThere(name, uid))) return false;
        throw error;
      }
    }, withinMs);
  }

  /** A pod that waits for a mount says so in an event only. */
  async withEvents(error: unknown, pod: Pod | undefined): Promise<unknown> {
    if (!isPluginError(error, 'ERR_POD_TIMEOUT') || pod?.metadata.uid === undefined) return error;
    const events = await this.#options.client.podEvents(pod.metadata.uid).catch(() => []);
    const last = events.at(-1);
    if (last === undefined) return error;
    const { code, message, retriable } = error;
    return new PluginError(code, `${message}; last event: ${last.reason}: ${last.message}`, {
      retriable,
      cause: error,
    });
  }

  /** The request was heard before and its answer lost: then the name is taken by the very pod. */
  async #mine(request: Pod, error: unknown): Promise<Pod> {
    const { name, annotations } = request.metadata;
    const pod = await this.#options.client.getPod(name);
    if (pod.metadata.annotations?.[INSTANCE_ANNOTATION] === annotations?.[INSTANCE_ANNOTATION]) return pod;
    throw error;
  }

  /** Whether the pod of this uid still is what the name names; other conflicts pass. */
  async #isThere(name: string, uid: string | undefined): Promise<boolean> {
    try {
      const { metadata } = await this.#options.client.getPod(name);
      return uid === undefined || metadata.uid === uid;
    } catch (error) {
      if (statusOf(error) === NOT_FOUND) return false;
      throw error;
    }
  }

  /** Waits as long as the server asks for before it may be asked again. */
  async #politely<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const afterMs = isPluginError(error) ? Number(error.fields['retryAfterMs'] ?? 0) : 0;
      if (afterMs > 0) await sleep(Math.min(afterMs, this.#options.waitMaxMs));
      throw error;
    }
  }
}

/** Conflicts pass too: the server's own books (quotas above all) are changed by many at once. */
function isTransient(error: unknown): boolean {
  if (!isPluginError(error, 'ERR_KUBERNETES_API')) return false;
  return error.retriable || (statusOf(error) === CONFLICT && reasonOf(error) !== 'AlreadyExists');
}

function reasonOf(error: unknown): string {
  return isPluginError(error) ? String(error.fields['reason'] ?? '') : '';
}
