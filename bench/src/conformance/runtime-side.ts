import { START_ARGUMENTS } from '@tetris/action-runtime';
import { type Container, type ContainerReply, InstanceLogs, ProcessFactory } from '@tetris/invoker-extension';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DaemonProcess } from '../sharing/daemon-process';
import type { Answer, ModelReport, Side, Work } from './work';

export interface RuntimeSideOptions {
  daemon: DaemonProcess;
  /** Where instances have their folders. */
  folder: string;
  /** Folders that the daemon sees. */
  modelRoots: readonly string[];
  actionPath: string;
  timeoutMs: number;
}

/** Memory limit of an instance; what needs more is none of this command's business. */
const MEMORY_BYTES = 4 * 1024 ** 3;
/** Inputs and results are JSON on their way. */
const BODY_BYTES_MAX = 1024 ** 3;
/** As OpenWhisk's default. */
const LOG_LIMIT_MB = 10;
/** An instance says each of its notices once, and some hundreds at most: a new one begins anew. */
const MODELS_PER_INSTANCE = 100;
/** Calls of one moment are joined; nobody is waited for. */
const INFERENCE = { workers: 1, batch: 16 };

/** The reason's name closes the line. */
const PRIVATELY = /loaded privately: .* \(([a-z-]+)\)$/;

interface Instance {
  container: Container;
  token: string;
  logs: InstanceLogs;
  /** That it was asked to run so far. */
  models: number;
}

/** A function instance beside a tensor daemon, as invokers start it and speak to it. */
export class RuntimeSide implements Side {
  readonly #options: RuntimeSideOptions;
  readonly #factory: ProcessFactory;
  #instance: Instance | undefined;
  #started = 0;
  #closed = false;

  constructor(options: RuntimeSideOptions) {
    this.#options = options;
    this.#factory = new ProcessFactory({
      command: [process.execPath, ...START_ARGUMENTS],
      workPath: join(options.folder, 'c'),
      daemonSocketPath: options.daemon.socketPath,
      modelRoots: options.modelRoots,
      path: process.env['PATH'] ?? '',
    });
  }

  async ask(work: Work): Promise<Answer> {
    if (this.#closed) throw new Error('interrupted');
    if (this.#instance !== undefined && this.#instance.models >= MODELS_PER_INSTANCE) await this.restart();
    const instance = (this.#instance ??= await this.#start());
    instance.models += 1;
    const activationId = randomUUID();
    instance.logs.open(activationId, LOG_LIMIT_MB);
    const reply = await this.#post(instance.container, '/run', { value: work, activation_id: activationId });
    if (reply.outcome !== 'answered' || reply.truncated || reply.status !== 200) {
      await this.restart();
      return broken(reply);
    }
    const report = JSON.parse(reply.body) as ModelReport;
    const { lines } = await instance.logs.close(activationId, true, Date.now);
    const privately = lines.map((line) => PRIVATELY.exec(line)?.[1]).find((reason) => reason !== undefined);
    return { outcome: 'reported', report, ...(privately === undefined ? {} : { privately }) };
  }

  async restart(): Promise<void> {
    const instance = this.#instance;
    this.#instance = undefined;
    await instance?.container.destroy();
    if (instance !== undefined) await this.#options.daemon.operator.releaseInstance(instance.token);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.restart();
    await this.#factory.close();
  }

  async #start(): Promise<Instance> {
    const { daemon, actionPath } = this.#options;
    const token = randomUUID();
    const { viewPath } = await daemon.operator.registerInstance(token, { namespace: 'conformance' });
    const container = await this.#factory.create({
      name: `i${(this.#started += 1)}`,
      kind: 'nodejs:tetris',
      memoryBytes: MEMORY_BYTES,
      instance: token,
      viewPath,
      env: { TETRIS_RUNTIME_BODY_BYTES_MAX: String(BODY_BYTES_MAX) },
    });
    if (this.#closed) {
      await container.destroy();
      throw new Error('interrupted');
    }
    const code = await readFile(actionPath, 'utf8');
    const value = { name: 'conformance', main: 'main', binary: false, code, tetris: INFERENCE };
    const reply = await this.#post(container, '/init', { value });
    if (reply.outcome !== 'answered' || reply.status !== 200) throw new Error(`/init: ${JSON.stringify(reply)}`);
    const logs = new InstanceLogs({ betweenLinesMs: 2000 });
    container.onLog((line) => logs.line(line));
    void container.ended.then(() => logs.end());
    return { container, token, logs, models: 0 };
  }

  #post(container: Container, path: '/init' | '/run', body: object): Promise<ContainerReply> {
    const { timeoutMs } = this.#options;
    return container.post(path, JSON.stringify(body), { timeoutMs, replyBytesMax: BODY_BYTES_MAX });
  }
}

function broken(reply: ContainerReply): Answer {
  if (reply.outcome === 'timeout') return { outcome: 'hung', detail: 'no answer in time' };
  const detail = reply.outcome === 'answered' ? `status ${reply.status}: ${reply.body.slice(0, 500)}` : reply.outcome;
  return { outcome: 'crashed', detail };
}
