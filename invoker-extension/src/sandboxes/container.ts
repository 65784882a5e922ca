/**
 * Containers as the pool sees them. Three factories implement this with the same behaviour and the same tests:
 * child processes (embedded default), Docker, and Kubernetes pods.
 *
 * A container speaks OpenWhisk's action protocol (`/init`, `/run`); how it is reached is the factory's business.
 */

import type { SLEEP_PATH, StartStage } from '@tetris/common/environment';

/** What a container is made of, known before any action is. */
export interface ContainerSpec {
  /** Unique within this invoker's life; part of the container's name. */
  name: string;
  kind: string;
  /** The action's memory limit, bytes. */
  memoryBytes: number;
  /** What it is expected to use of its own, bytes, as instances of its action were measured; undefined: not known. */
  expectedBytes?: number;
  /** Invoking namespace; undefined for a stem cell. */
  namespace?: string;
  /** The daemon's token of this instance: names its view folder. */
  instance: string;
  /**
   * Absolute path of the instance's view folder on the node, mounted read-only. Undefined: no daemon, private sessions.
   */
  viewPath?: string;
  /**
   * CPUs this instance may use, where the factory can limit them; fractions allowed. Undefined: shares by memory, as
   * stock.
   */
  cpus?: number;
  /**
   * Environment beside what the factory sets itself: the factory knows the paths inside (see `environment.ts`), the
   * pool the rest (`__OW_API_HOST`, `__OW_ALLOW_CONCURRENT`).
   */
  env: Readonly<Record<string, string>>;
}

/** What our runtime says of an activation's runs. */
export interface InferenceReport {
  /** Time that they waited before they were executed, ms. */
  waitedMs: number;
  /** Requests that were executed together; 0 where this activation tells nothing of that. */
  requests: number;
  /** Time of their execution, ms. */
  executionMs: number;
  /** Requests of the largest execution that the activation was part of. */
  batch: number;
}

/** Our runtime tells each stage of its start once. */
export type StartStages = Readonly<Partial<Record<StartStage, number>>>;

/** A container's reply to `/init` or `/run`, or why there is none. */
export type ContainerReply =
  /** `truncated`: the body was longer than allowed; `body` holds its first characters, `bytes` its real size. */
  | {
      outcome: 'answered';
      status: number;
      body: string;
      bytes: number;
      truncated: boolean;
      inference?: InferenceReport | undefined;
      /** What stages of its start have taken that are over now, ms. */
      stages?: StartStages | undefined;
    }
  /** The time limit passed. */
  | { outcome: 'timeout' }
  /**
   * Nobody listens any more, or the connection broke before a whole reply with a Content-Length was read.
   * `reached` false: no connection was made, so user code has not seen the request and another container may have it.
   */
  | { outcome: 'gone'; reached: boolean }
  /** The container was killed for exceeding its memory. */
  | { outcome: 'out-of-memory' };

export interface CallOptions {
  timeoutMs: number;
  /** Longest body that is kept, in bytes. */
  replyBytesMax: number;
  /** When the answer is due by the action's objective, epoch ms. */
  dueMs?: number | undefined;
  /** Whose span the call is; undefined where the activation is not traced. */
  traceparent?: string | undefined;
}

/** One line of output as the log store wants it. */
export interface LogLine {
  /** Epoch ms at which it was read. */
  atMs: number;
  stream: 'stdout' | 'stderr';
  text: string;
}

/** Of OpenWhisk's protocol; our runtime also takes `/sleep`. */
export type ActionPath = '/init' | '/run' | typeof SLEEP_PATH;

export interface Container {
  readonly name: string;
  /** Resolves when the container has ended, for whatever reason, and its last log line has been handed out. */
  readonly ended: Promise<void>;
  /** POST to `/init` or `/run`; connection attempts are retried until the timeout while nobody has listened yet. */
  post(path: ActionPath, body: string, options: CallOptions): Promise<ContainerReply>;
  /** Freezes every process of the container, where that can be done: a pod just gets nothing to do. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /**
   * Ends its processes and keeps the rest, while nothing runs in it. @returns false where that cannot be done: nothing
   * has happened then
   */
  halt(): Promise<boolean>;
  /** Starts it anew after {@link halt}, to be initialized again. @throws PluginError `ERR_CONTAINER_START` */
  restart(): Promise<void>;
  /** Output lines from now on, in order within a stream, tags and sentinels included. One listener. */
  onLog(listener: (line: LogLine) => void): void;
  /** Bytes that are the container's own: private memory, shared tensors excluded. Undefined once it has ended, 0 while it is halted. */
  privateBytes(): Promise<number | undefined>;
  /** SIGKILL and removal, as the stock invoker does; idempotent. */
  destroy(): Promise<void>;
}

export interface ContainerFactory {
  /** @throws PluginError `ERR_CONTAINER_START` */
  create(spec: ContainerSpec): Promise<Container>;
  /** Removes what an earlier run of this invoker left over. Returns the instance tokens of those containers. */
  removeOrphans(): Promise<string[]>;
  close(): Promise<void>;
}
