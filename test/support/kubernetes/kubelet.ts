/**
 * The node of a test's API server: runs each pod that is bound to it, tells how it fares, keeps its log as a container
 * runtime does, and ends it when it is deleted. What a container really is, is its runtime's business.
 */
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod, PodStatus } from '@tetris/invoker-extension';
import type { ApiServer } from './api-server';

/** A container at work, as the kubelet's runtime gives it. */
export interface RunningPod {
  /** Resolves with how it ended; `outOfMemory`: the kernel's doing. */
  ended: Promise<{ exitCode: number; outOfMemory: boolean }>;
  kill(): void;
  /** Memory of its own, bytes; undefined where it has none to speak of. */
  privateBytes?(): number | undefined;
}

export interface PodRuntime {
  /** @param onOutput pieces of output; @returns once it is started, not necessarily listening */
  start(pod: Pod, address: string, onOutput: (stream: 'stdout' | 'stderr', text: Buffer) => void): Promise<RunningPod>;
}

export interface KubeletOptions {
  server: ApiServer;
  runtime: PodRuntime;
  node: string;
  /** Folders as `/var/log/pods` and `/sys/fs/cgroup` of a node. */
  logsPath: string;
  cgroupPath: string;
  /** Instead of running a pod: its status as it stays. */
  refuse?: (pod: Pod) => PodStatus | undefined;
}

/** How often a pod's memory is written where its control group would be. */
const MEMORY_MS = 50;
const CONTAINER = 'user-action';

export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #running = new Map<string, RunningPod>();
  readonly #output = new Map<string, { chunks: Buffer[]; listeners: Set<(chunk: Buffer) => void> }>();
  readonly #unfollow: () => void;
  #addresses = 0;
  #paused = false;

  constructor(options: KubeletOptions) {
    this.#options = options;
    const { server } = options;
    server.onDelete = (pod): void => void this.#end(pod);
    server.podLog = (pod, onChunk): ReturnType<ApiServer['podLog']> => this.#follow(pod, onChunk);
    this.#unfollow = server.pods.follow(server.pods.version, ({ type, object }) => {
      if (type === 'ADDED') void this.#run(object);
    });
  }

  /** Pods whose containers run. */
  get running(): number {
    return this.#running.size;
  }

  /** Ends the container of a pod as its own crash would. */
  crash(name: string): void {
    this.#running.get(name)?.kill();
  }

  /** Ends a pod for the sake of the node. */
  evict(name: string): void {
    this.#options.server.pods.update(name, ({ status }) => {
      Object.assign(status ?? {}, {
        phase: 'Failed',
        reason: 'Evicted',
        message: 'The node was low on resource: memory.',
      });
    });
    this.#running.get(name)?.kill();
  }

  /** A container that is written to no file, as under a runtime that keeps logs elsewhere. */
  keepsLogs = true;

  async stop(): Promise<void> {
    this.#paused = true;
    this.#unfollow();
    const ended = [...this.#running.values()].map((pod) => pod.ended);
    for (const pod of this.#running.values()) pod.kill();
    await Promise.all(ended);
  }

  async #run(pod: Pod): Promise<void> {
    const { server, runtime, node, refuse } = this.#options;
    const { name } = pod.metadata;
    const status = refuse?.(pod);
    if (status !== undefined) return void server.pods.update(name, (it) => (it.status = status));
    if (this.#paused) return;
    const address = this.#address();
    server.pods.update(name, (it) => {
      it.spec.nodeName = node;
      it.status = { phase: 'Pending', podIP: address };
    });
    const output = { chunks: [], listeners: new Set<(chunk: Buffer) => void>() };
    this.#output.set(name, output);
    const folder = this.#logFolder(pod);
    if (this.keepsLogs) mkdirSync(folder, { recursive: true });
    const running = await runtime.start(pod, address, (stream, text) => this.#wrote(pod, folder, stream, text));
    this.#running.set(name, running);
    server.pods.update(name, (it) => {
      it.status = { phase: 'Running', podIP: address, containerStatuses: [statusOf({ running: {} })] };
    });
    const meter = this.#measure(pod, running);
    const { exitCode, outOfMemory } = await running.ended;
    clearInterval(meter);
    this.#running.delete(name);
    this.#exited(pod, exitCode, outOfMemory);
  }

  #exited(pod: Pod, exitCode: number, outOfMemory: boolean): void {
    const { server } = this.#options;
    const { name } = pod.metadata;
    const reason = outOfMemory ? 'OOMKilled' : 'Error';
    server.pods.update(name, (it) => {
      it.status = {
        ...it.status,
        phase: 'Failed',
        containerStatuses: [statusOf({ terminated: { reason, exitCode } })],
      };
    });
    for (const listener of this.#output.get(name)?.listeners ?? []) listener(Buffer.alloc(0));
    const isDeleted = server.pods.list((it) => it.metadata.uid === pod.metadata.uid)[0]?.metadata.deletionTimestamp;
    if (isDeleted !== undefined) this.#forget(pod);
  }

  #end(pod: Pod): void {
    const running = this.#running.get(pod.metadata.name);
    if (running === undefined) this.#forget(pod);
    else running.kill();
  }

  #forget(pod: Pod): void {
    const { server, logsPath } = this.#options;
    server.pods.delete(pod.metadata.name);
    this.#output.delete(pod.metadata.name);
    rmSync(join(this.#logFolder(pod), '..'), { recursive: true, force: true });
    rmSync(this.#cgroup(pod), { recursive: true, force: true });
    void logsPath;
  }

  /** Lines as a container runtime writes them; a piece without its newline is partial. */
  #wrote(pod: Pod, folder: string, stream: 'stdout' | 'stderr', text: Buffer): void {
    const time = new Date().toISOString().replace('Z', '000000Z');
    for (const piece of text.toString().match(/[^\n]*\n|[^\n]+$/g) ?? []) {
      const whole = piece.endsWith('\n');
      const body = whole ? piece.slice(0, -1) : piece;
      if (this.keepsLogs) appendFileSync(join(folder, '0.log'), `${time} ${stream} ${whole ? 'F' : 'P'} ${body}\n`);
      const output = this.#output.get(pod.metadata.name);
      const line = Buffer.from(`${time} ${body}\n`);
      output?.chunks.push(line);
      for (const listener of output?.listeners ?? []) listener(line);
    }
  }

  #follow(pod: Pod, onChunk: (chunk: Buffer) => void): ReturnType<ApiServer['podLog']> {
    const output = this.#output.get(pod.metadata.name);
    if (output === undefined) return { end: Promise.resolve(), stop: () => undefined };
    for (const chunk of output.chunks) onChunk(chunk);
    let finish = (): void => undefined;
    const end = new Promise<void>((resolve) => (finish = resolve));
    const listener = (chunk: Buffer): void => (chunk.length === 0 ? finish() : onChunk(chunk));
    output.listeners.add(listener);
    return { end, stop: () => output.listeners.delete(listener) };
  }

  #measure(pod: Pod, running: RunningPod): NodeJS.Timeout | undefined {
    if (running.privateBytes === undefined) return undefined;
    const folder = this.#cgroup(pod);
    mkdirSync(folder, { recursive: true });
    const write = (): void => {
      const bytes = running.privateBytes?.();
      if (bytes !== undefined) writeFileSync(join(folder, 'memory.stat'), `anon ${bytes}\nfile 0\n`);
    };
    write();
    return setInterval(write, MEMORY_MS);
  }

  #cgroup({ metadata }: Pod): string {
    const slice = `kubepods-burstable-pod${(metadata.uid ?? '').replaceAll('-', '_')}.slice`;
    return join(this.#options.cgroupPath, 'kubepods.slice/kubepods-burstable.slice', slice);
  }

  #logFolder({ metadata: { namespace, name, uid } }: Pod): string {
    return join(this.#options.logsPath, `${namespace}_${name}_${uid}`, CONTAINER);
  }

  /** One of loopback's 16 million for each pod. */
  #address(): string {
    this.#addresses += 1;
    return `127.77.${Math.floor(this.#addresses / 250) % 250}.${(this.#addresses % 250) + 1}`;
  }
}

const statusOf = (
  state: NonNullable<NonNullable<PodStatus['containerStatuses']>[number]['state']>,
): NonNullable<PodStatus['containerStatuses']>[number] => ({ name: CONTAINER, state });
